"""Small videos that the tests draw themselves."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont


def draw_clip(
    path: Path,
    *,
    width: int = 320,
    height: int = 240,
    seconds: float = 1,
    rate: int = 10,
    faststart: bool = True,
    caption: str = "",
) -> Path:
    """A soft moving pattern, with a caption in the bottom quarter if one is given; the container follows the ending."""
    options = {"movflags": "faststart"} if faststart and path.suffix == ".mp4" else {}
    rows, columns = np.mgrid[0:height, 0:width]
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "28"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(int(seconds * rate)):
            grey = (128 + 90 * np.sin((rows + columns + 5 * index) / 40)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(_captioned(np.dstack([grey] * 3), caption), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _captioned(picture: np.ndarray, caption: str) -> np.ndarray:
    height, width = picture.shape[:2]
    image = Image.fromarray(picture)
    font = ImageFont.load_default(size=height / 12)
    style = {"fill": "white", "stroke_width": 2, "stroke_fill": "black"}
    ImageDraw.Draw(image).text((width / 2, height * 0.88), caption, font=font, anchor="mm", **style)
    return np.asarray(image)


def draw_sound(path: Path) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        for start in range(0, 48000, 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def video_facts(path: Path) -> tuple[int, int, list[Fraction]]:
    """Width, height, and the time of each frame in seconds from the first."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [frame.pts * frame.time_base for frame in container.decode(stream)]
        return stream.width, stream.height, [time - times[0] for time in times]


def audio_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.dts is not None]
