"""Small videos that the tests draw themselves."""

from collections.abc import Iterable
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
    rows, columns = np.mgrid[0:height, 0:width]
    greys = (
        (128 + 90 * np.sin((rows + columns + 5 * index) / 40)).astype(np.uint8) for index in range(int(seconds * rate))
    )
    return _write(path, (_captioned(np.dstack([grey] * 3), caption) for grey in greys), rate, faststart=faststart)


def draw_pan(path: Path, *, width: int, height: int, frames: int, logo: str = "") -> Path:
    """A camera goes over a landscape; a logo stands in its box (:func:`logo_box`), if one is given."""
    scene = _landscape(2 * width, 2 * height)
    views = (scene[2 * index : 2 * index + height, 5 * index : 5 * index + width] for index in range(frames))
    return _write(path, (_with_logo(view, logo) for view in views), 10)


def _landscape(width: int, height: int) -> np.ndarray:
    """Return clouds of every size, the larger the stronger, as natural pictures have them; (height, width, 3) RGB."""
    random = np.random.default_rng(3)
    scene = np.full((height, width, 3), 110.0)
    for size in (160, 80, 40, 20, 10, 5):
        spots = random.normal(0, size**0.5 * 4, (height // size + 2, width // size + 2))
        tint = random.uniform(0.6, 1, 3)
        cloud = Image.fromarray(spots.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
        scene += np.asarray(cloud)[..., None] * tint
    return scene.clip(16, 235).astype(np.uint8)


def _write(path: Path, pictures: Iterable[np.ndarray], rate: int, *, faststart: bool = True) -> Path:
    options = {"movflags": "faststart"} if faststart and path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = None
        for index, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "28"})
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        assert stream is not None
        container.mux(stream.encode(None))
    return path


def _captioned(picture: np.ndarray, caption: str) -> np.ndarray:
    height, width = picture.shape[:2]
    image = Image.fromarray(picture)
    font = ImageFont.load_default(size=height / 12)
    style = {"fill": "white", "stroke_width": 2, "stroke_fill": "black"}
    ImageDraw.Draw(image).text((width / 2, height * 0.88), caption, font=font, anchor="mm", **style)
    return np.asarray(image)


def logo_box(width: int, height: int) -> tuple[int, int, int, int]:
    """Where the logo stands: left, top, right, bottom in pixels, in the upper right corner."""
    side = height // 9
    return width - 3 * side, side // 2, width - side, side // 2 + side


def _with_logo(picture: np.ndarray, logo: str) -> np.ndarray:
    if not logo:
        return picture
    left, top, right, bottom = logo_box(picture.shape[1], picture.shape[0])
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((left, top, right - 1, bottom - 1), (bottom - top) / 5, fill=(200, 20, 30))
    font = ImageFont.load_default(size=(bottom - top) * 0.6)
    draw.text(((left + right) / 2, (top + bottom) / 2), logo, font=font, fill="white", anchor="mm")
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


def decoded(path: Path) -> np.ndarray:
    """All frames, (frames, height, width, 3) RGB."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def audio_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.dts is not None]
