"""A logo over drawn frames, and the track that a perfect finder would find of it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from domain.detection import IconBehaviour, IconPlace, IconTrack, Mark
from domain.job import IconKind
from gpu_worker.video.frame import Frame
from gpu_worker.video.masks import encode_mask, encode_matte

WIDTH, HEIGHT = 72, 48
#: Y, U, V in 8-bit levels.
COLOUR = (210.0, 100.0, 170.0)


def opacity(strength: float) -> np.ndarray:
    """Return a disc with a hole, its edges soft, in the middle of (HEIGHT, WIDTH)."""
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(picture, (WIDTH // 2, HEIGHT // 2), 17, 255, cv2.FILLED, cv2.LINE_AA)
    cv2.circle(picture, (WIDTH // 2, HEIGHT // 2), 6, 0, cv2.FILLED, cv2.LINE_AA)
    return (picture.astype(np.float32) / 255 * strength).astype(np.float32)


def with_logo(frame: Frame, x: int, y: int, strength: float) -> Frame:
    """Blend the logo over a frame with its upper left corner at even ``x``, ``y``, whatever the frame's bit depth."""
    scale = 1 << (frame.bit_depth - 8)
    share = opacity(strength)
    half = cv2.resize(share, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    planes = []
    for plane, level, part, step in zip(
        (frame.y, frame.u, frame.v), COLOUR, (share, half, half), (1, 2, 2), strict=True
    ):
        done = plane.copy()
        where = slice(y // step, (y + HEIGHT) // step), slice(x // step, (x + WIDTH) // step)
        done[where] = np.rint(plane[where] * (1 - part) + level * scale * part)
        planes.append(done)
    return replace(frame, y=planes[0], u=planes[1], v=planes[2])


def mark(strength: float, *, with_matte: bool) -> Mark:
    shape = opacity(strength)
    mask = cv2.dilate((shape > 0.02).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    colour = np.broadcast_to(np.array(COLOUR, np.float32), (HEIGHT, WIDTH, 3))
    matte = encode_matte(shape, colour) if with_matte else None
    return Mark(width=WIDTH, height=HEIGHT, mask_png=encode_mask(mask), matte=matte)


def track(
    *places: tuple[int, int, int, int],
    strength: float = 1.0,
    with_matte: bool = False,
    behaviour: IconBehaviour = IconBehaviour.STILL,
) -> IconTrack:
    """Return the logo's track; a place is start, end, x, y."""
    return IconTrack(
        index=0,
        kind=IconKind.TV,
        confidence=1,
        kind_confidence=0.5,
        behaviour=behaviour,
        marks=(mark(strength, with_matte=with_matte),),
        places=tuple(IconPlace(start_frame=start, end_frame=end, x=x, y=y, mark=0) for start, end, x, y in places),
    )
