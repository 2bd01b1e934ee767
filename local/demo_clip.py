"""Draws the demo clip: a camera pans over a textured landscape while captions come and go, with a tone as sound.

Everything is rendered here from a fixed seed, so that the clip has no licence but this project's, and is the same each
time. Captions are white with a dark outline in the bottom quarter, as most subtitles are.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 640, 360
FRAME_RATE = 24
DURATION_SECONDS = 6
_SAMPLE_RATE = 48_000
_AUDIO_FRAME_SAMPLES = 1024
_TONE_HZ = 220.0
_PAN_PIXELS = 170
_SEED = 20


@dataclass(frozen=True)
class Caption:
    """One caption: its text, and the half-open span of the clip in which it shows."""

    text: str
    start_seconds: float
    end_seconds: float


CAPTIONS = (
    Caption("The valley was quiet that morning.", 0.5, 2.25),
    Caption("Nobody had seen the river so low", 2.5, 4.25),
    Caption("since the year of the comet.", 4.25, 5.75),
)


def draw(path: Path) -> None:
    """Write the clip as MP4 (H.264, AAC)."""
    landscape = _landscape()
    captions = [(caption, _caption_layer(caption.text)) for caption in CAPTIONS]
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        video = container.add_stream("libx264", rate=FRAME_RATE, options={"crf": "18", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream("aac", rate=_SAMPLE_RATE)
        for index in range(FRAME_RATE * DURATION_SECONDS):
            seconds = index / FRAME_RATE
            picture = _camera(landscape, seconds)
            for caption, (colour, opacity) in captions:
                if caption.start_seconds <= seconds < caption.end_seconds:
                    picture = picture * (1 - opacity) + colour * opacity
            _write_picture(container, video, picture.round().astype(np.uint8), index)
        _write_tone(container, audio)
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def _landscape() -> NDArray[np.float32]:
    """Return the scene, (HEIGHT, WIDTH + pan, 3) RGB 0-255: sky, hills in three depths, a meadow with stones."""
    random = np.random.default_rng(_SEED)
    width = WIDTH + _PAN_PIXELS
    rows = np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None, None]
    scene = np.array([96, 148, 205], np.float32) * (1 - rows) + np.array([236, 206, 170], np.float32) * rows
    scene = np.repeat(scene, width, axis=1) + 26 * _noise(random, HEIGHT, width, 6)[..., None]
    columns = np.arange(width)
    for base, height, colour in ((0.45, 46, (104, 118, 138)), (0.58, 38, (84, 106, 92)), (0.72, 22, (74, 96, 58))):
        ridge = base * HEIGHT + height * _noise(random, 1, width, 4)[0]
        ground = np.arange(HEIGHT)[:, None] >= ridge[None, :]
        texture = np.array(colour, np.float32) + 34 * _noise(random, HEIGHT, width, 7)[..., None]
        scene = np.where(ground[..., None], texture, scene)
    for _ in range(220):
        x, y, size = (
            int(random.integers(width)),
            int(random.integers(int(0.76 * HEIGHT), HEIGHT)),
            int(random.integers(2, 7)),
        )
        near = ((columns[None, :] - x) / 1.6) ** 2 + (np.arange(HEIGHT)[:, None] - y) ** 2 <= size**2
        scene[near] = random.uniform(60, 200) + random.uniform(-20, 20, 3)
    clipped: NDArray[np.float32] = np.clip(scene, 0, 255).astype(np.float32)
    return clipped


def _noise(random: np.random.Generator, height: int, width: int, octaves: int) -> NDArray[np.float32]:
    """Return value noise of about -1 to 1, (height, width): each octave half as strong and twice as fine."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cells = 2 ** (octave + 2)
        coarse = random.uniform(-1, 1, (min(height, cells), cells)).astype(np.float32)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(smooth) / 2 ** (octave + 1)
    return total


def _camera(landscape: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    """Return what the camera sees: it pans to the right, and a ball crosses its picture to the left."""
    left = int(_PAN_PIXELS * seconds / DURATION_SECONDS)
    picture: NDArray[np.float32] = landscape[:, left : left + WIDTH].copy()
    x, y = WIDTH * (1.05 - 0.2 * seconds), HEIGHT * 0.83 - 40 * abs(np.sin(3 * seconds))
    distance = np.hypot(np.arange(WIDTH)[None, :] - x, np.arange(HEIGHT)[:, None] - y)
    picture[distance < 13] = (214, 66, 48)
    return picture


def _caption_layer(text: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return colour (H, W, 3) 0-255 and opacity (H, W, 1) 0-1 of a caption, centred in the bottom quarter."""
    layer = Image.new("RGBA", (WIDTH, HEIGHT))
    ImageDraw.Draw(layer).text(
        (WIDTH / 2, HEIGHT * 0.89),
        text,
        font=ImageFont.load_default(size=27),
        anchor="mm",
        fill=(255, 255, 255, 255),
        stroke_width=2,
        stroke_fill=(16, 16, 16, 255),
    )
    pixels = np.asarray(layer, np.float32)
    return pixels[..., :3], pixels[..., 3:] / np.float32(255)


def _write_picture(
    container: av.container.OutputContainer, stream: VideoStream, rgb: NDArray[np.uint8], index: int
) -> None:
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE)
    container.mux(stream.encode(frame))


def _write_tone(container: av.container.OutputContainer, stream: AudioStream) -> None:
    times = np.arange(DURATION_SECONDS * _SAMPLE_RATE, dtype=np.float32) / _SAMPLE_RATE
    # Swelling, so that a shifted or cut track can be heard.
    samples = 0.12 * np.sin(2 * np.pi * _TONE_HZ * times) * (1 + 0.5 * np.sin(2 * np.pi * 0.5 * times))
    for start in range(0, len(samples), _AUDIO_FRAME_SAMPLES):
        block = samples[None, start : start + _AUDIO_FRAME_SAMPLES].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = _SAMPLE_RATE, start, Fraction(1, _SAMPLE_RATE)
        container.mux(stream.encode(frame))
