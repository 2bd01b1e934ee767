"""Logos drawn over clean clips, with the truth beside them: what the icon bench runs on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.captioned_clips import Mask, encode, frames_of, with_halo, with_overlay
from bench.icon_cases import CORNERS, DRIFT_FRAMES, JUMP_FRAMES, LOOP_FRAMES, OFF_FRAMES, ON_FRAMES, IconCase, Logo
from domain.detection import Box, IconBehaviour, IconPlace, IconTrack, Mark
from domain.job import IconKind
from gpu_worker.video.frame import Frame
from gpu_worker.video.masks import encode_mask, encode_matte

#: Distance of a corner's logo from the picture's edges, as a share of its height.
_MARGIN_SHARE = 0.06
#: Broad logos are made no broader than this share of the picture.
_MAX_WIDTH_SHARE = 0.25
#: A pulsing logo shrinks to this size.
_SMALLEST_PULSE = 0.8
#: Room for the codec's halo on every side of a true mark, in pixels.
_HALO = 4

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Spot:
    """One frame's logo: its upper left corner, and which of its looks it has."""

    x: int
    y: int
    look: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class IconClip:
    """A video with a logo at ``path``, its decoded frames, the clean ones, and each frame's opacity (H, W), 0-1.

    ``boxes`` are where the logo stands, its halo included: none in frames without it. ``track`` is what a perfect
    finder would find.
    """

    case: IconCase
    path: Path
    clean: list[Frame]
    marked: list[Frame]
    opacity: list[NDArray[np.float32]]
    boxes: list[tuple[Box, ...]]
    track: IconTrack

    def masks(self) -> list[Mask]:
        """Return each frame's changed pixels (H, W) with their halo; all of an animated logo's at any moment."""
        masks = [with_halo(opacity) for opacity in self.opacity]
        if self.case.logo.behaviour is IconBehaviour.ANIMATED:
            return [np.logical_or.reduce(masks)] * len(masks)
        return masks


def draw(case: IconCase, clips: Path, icons: Path, folder: Path, width: int) -> IconClip:
    """Draw a case's logo over its clip, at most ``width`` pixels wide, and encode it into ``folder``."""
    clean = list(frames_of(clips / case.file, case.start, case.frames, width))
    size = clean[0].width, clean[0].height
    looks = _looks(case.logo, _read(icons / case.logo.file), *size)
    spots = [_spot(case.logo, index, looks[0].shape[:2], *size) for index in range(len(clean))]
    marked, opacities = [], []
    overlays = _once_per_spot(lambda spot: _placed(looks[spot.look], spot, *size))
    for frame, spot in zip(clean, spots, strict=True):
        if spot is None:
            marked.append(frame)
            opacities.append(np.zeros(frame.y.shape, np.float32))
            continue
        with_logo, opacity = with_overlay(frame, overlays(spot), case.logo.opacity)
        marked.append(with_logo)
        opacities.append(opacity)
    path = folder / f"{case.name}.mp4"
    encode(marked, size, path, case.crf)
    decoded = list(frames_of(path, 0, len(clean), size[0]))
    track = _track(case.logo, looks, spots)
    boxes = [
        tuple(
            Box(x0=place.x, y0=place.y, x1=place.x + mark.width, y1=place.y + mark.height)
            for place in track.places
            for mark in [track.marks[place.mark]]
            if place.start_frame <= index < place.end_frame
        )
        for index in range(len(clean))
    ]
    return IconClip(case, path, clean, decoded, opacities, boxes, track)


def corner_overlay(logo: Logo, icons: Path, size: tuple[int, int]) -> Picture:
    """Return a still logo as RGBA (height, width, 4) in its corner of a picture of ``size`` (width, height)."""
    look = _looks(logo, _read(icons / logo.file), *size)[0]
    spot = _spot(logo, 0, look.shape[:2], *size)
    assert spot is not None
    return _placed(look, spot, *size)


def _read(path: Path) -> Picture:
    """Return a PNG as RGBA, cut to what can be seen of it."""
    picture = np.asarray(Image.open(path).convert("RGBA"))
    rows, columns = (np.flatnonzero((picture[..., 3] > 0).any(axis=axis)) for axis in (1, 0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _looks(logo: Logo, picture: Picture, width: int, height: int) -> list[Picture]:
    """Return the logo at its size, or all pictures of its loop: it pulses while it turns around its own axis."""
    scale = min(logo.height * height / picture.shape[0], _MAX_WIDTH_SHARE * width / picture.shape[1])
    high, wide = (max(8, round(scale * side)) for side in picture.shape[:2])
    whole = _resized(picture, wide, high)
    if logo.behaviour is not IconBehaviour.ANIMATED:
        return [whole]
    looks = []
    for number in range(LOOP_FRAMES):
        turn = 2 * math.pi * number / LOOP_FRAMES
        pulse = _SMALLEST_PULSE + (1 - _SMALLEST_PULSE) * (1 + math.cos(turn)) / 2
        small = _resized(whole, max(4, round(wide * pulse * abs(math.cos(turn)))), max(4, round(high * pulse)))
        left, top = (wide - small.shape[1]) // 2, (high - small.shape[0]) // 2
        look = np.zeros_like(whole)
        look[top : top + small.shape[0], left : left + small.shape[1]] = small
        looks.append(look)
    return looks


def _resized(picture: Picture, width: int, height: int) -> Picture:
    # Premultiplied, or the colour of what cannot be seen would come in at the edges.
    opacity = picture[..., 3:].astype(np.float32) / 255
    layers = np.concatenate((picture[..., :3] * opacity, opacity), axis=-1)
    small = cv2.resize(layers, (width, height), interpolation=cv2.INTER_AREA)
    colour = small[..., :3] / np.maximum(small[..., 3:], 1e-6)
    return np.asarray(np.concatenate((colour, 255 * small[..., 3:]), axis=-1) + 0.5, dtype=np.uint8)


def _spot(logo: Logo, index: int, shape: tuple[int, ...], width: int, height: int) -> _Spot | None:
    """Return where the logo is in a frame, None while it is away."""
    corner = CORNERS.index(logo.corner)
    if logo.behaviour is IconBehaviour.JUMPING:
        corner = (corner + index // JUMP_FRAMES) % len(CORNERS)
    if logo.behaviour is IconBehaviour.BLINKING and (index + OFF_FRAMES) % (ON_FRAMES + OFF_FRAMES) >= ON_FRAMES:
        return None
    margin = round(_MARGIN_SHARE * height)
    name = CORNERS[corner]
    x = margin if "left" in name else width - margin - shape[1]
    y = margin if "top" in name else height - margin - shape[0]
    if logo.behaviour is IconBehaviour.MOVING:
        steps = index // DRIFT_FRAMES
        x, y = (x + steps if "left" in name else x - steps), (y + steps // 2 if "top" in name else y - steps // 2)
    look = index % LOOP_FRAMES if logo.behaviour is IconBehaviour.ANIMATED else 0
    return _Spot(x, y, look)


def _placed(look: Picture, spot: _Spot, width: int, height: int) -> Picture:
    overlay = np.zeros((height, width, 4), np.uint8)
    overlay[spot.y : spot.y + look.shape[0], spot.x : spot.x + look.shape[1]] = look
    return overlay


def _once_per_spot(make: Callable[[_Spot], Picture]) -> Callable[[_Spot], Picture]:
    """Return ``make`` with its last result remembered: most logos stand still."""
    last: list[tuple[_Spot, Picture]] = []

    def made(spot: _Spot) -> Picture:
        if not last or last[0][0] != spot:
            last[:] = [(spot, make(spot))]
        return last[0][1]

    return made


def _track(logo: Logo, looks: list[Picture], spots: list[_Spot | None]) -> IconTrack:
    """Return what a perfect finder would find. Where logos are animated, their mark is all that they ever cover."""
    padded = [np.pad(look, ((_HALO, _HALO), (_HALO, _HALO), (0, 0))) for look in looks]
    opacities = [np.asarray(look[..., 3] / 255 * logo.opacity, dtype=np.float32) for look in padded]
    mask = np.logical_or.reduce([with_halo(opacity) for opacity in opacities])
    matte = None
    if logo.opacity < 1 and logo.behaviour is not IconBehaviour.ANIMATED:
        colour = cv2.cvtColor(np.ascontiguousarray(padded[0][..., :3]), cv2.COLOR_RGB2YCrCb)
        matte = encode_matte(opacities[0], np.asarray(colour[..., (0, 2, 1)], dtype=np.float32))
    mark = Mark(width=mask.shape[1], height=mask.shape[0], mask_png=encode_mask(mask), matte=matte)
    return IconTrack(
        index=0,
        kind=IconKind.TV,
        name=Path(logo.file).stem,
        confidence=1,
        kind_confidence=1,
        behaviour=logo.behaviour,
        marks=(mark,),
        places=tuple(
            IconPlace(start_frame=start, end_frame=end, x=spot.x - _HALO, y=spot.y - _HALO, mark=0)
            for start, end, spot in _lives(spots)
        ),
    )


def _lives(spots: list[_Spot | None]) -> Iterator[tuple[int, int, _Spot]]:
    """Yield the spans of frames (end exclusive) in which the logo stays where it is, whatever its look."""
    corners = [None if spot is None else (spot.x, spot.y) for spot in spots]
    start = 0
    for _, same in groupby(corners):
        end = start + len(list(same))
        first = spots[start]
        if first is not None:
            yield start, end, first
        start = end
