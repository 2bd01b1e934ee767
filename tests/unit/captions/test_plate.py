"""Translucent plates under drawn captions: rectangle, opacity and colour, after a trip through H.264."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import av
import cv2
import numpy as np
import pytest

from domain.detection import Box
from gpu_worker.captions.band import Picture
from gpu_worker.captions.plate import FoundPlate, plate_border, spread_plate
from gpu_worker.video.frame import Frame
from gpu_worker.video.rect import Rect
from tests.unit.captions.drawn import RATE, Drawn, moving, with_captions
from tests.unit.captions.test_finder import find, mask_of, networks

__all__ = ["networks"]

BLACK, WHITE, BLUE = (16, 128, 128), (235, 128, 128), (60, 180, 110)
RECT = Rect(90, 222, 390, 258)


@dataclass(frozen=True)
class Board:
    opacity: float
    colour: tuple[int, int, int]
    rect: Rect = RECT
    fade_frames: int = 0


def behind(frames: list[Frame], board: Board, start: int, end: int) -> list[Frame]:
    """Return the frames with a board blended over frames ``start`` to ``end``."""
    done = list(frames)
    for index in range(start, min(end, len(frames))):
        edge = min(index - start, end - 1 - index) + 1
        opacity = board.opacity * min(1.0, edge / (board.fade_frames + 1))
        planes = {}
        for name, scale, level in zip("yuv", (1, 2, 2), board.colour, strict=True):
            plane = getattr(frames[index], name).copy()
            rect = board.rect
            part = (slice(rect.y0 // scale, rect.y1 // scale), slice(rect.x0 // scale, rect.x1 // scale))
            plane[part] = (plane[part] * (1 - opacity) + level * opacity + 0.5).astype(np.uint8)
            planes[name] = plane
        done[index] = replace(frames[index], **planes)
    return done


def encoded(frames: list[Frame], crf: int = 20) -> list[Frame]:
    """Return the frames after H.264."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        for frame in frames:
            packed = np.concatenate([plane.reshape(-1) for plane in (frame.y, frame.u, frame.v)])
            picture = av.VideoFrame.from_ndarray(packed.reshape(-1, frame.width), format="yuv420p")
            picture.pts, picture.time_base = frame.index, frame.time_base
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    buffer.seek(0)
    done = []
    with av.open(buffer) as container:
        for frame, picture in zip(frames, container.decode(video=0), strict=True):
            planes = picture.to_ndarray()
            chroma = planes[frame.height :].reshape(2, frame.height // 2, frame.width // 2)
            done.append(replace(frame, y=planes[: frame.height], u=chroma[0], v=chroma[1]))
    return done


def on_board(board: Board, step: float = 1.0, text: str = "Read me on a board", outline: int = 0) -> list[Frame]:
    """Return 60 frames with a caption on a board in frames 8-50."""
    caption = Drawn(text, 8, 50, outline=outline, fade_frames=board.fade_frames)
    frames, _ = with_captions(behind(moving(60, step), board, 8, 50), (caption,))
    return encoded(frames)


def box_error(box: Box, rect: Rect) -> int:
    return max(abs(box.x0 - rect.x0), abs(box.y0 - rect.y0), abs(box.x1 - rect.x1), abs(box.y1 - rect.y1))


@pytest.mark.parametrize("opacity", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("colour", [BLACK, WHITE, BLUE])
def test_a_plate_is_measured(networks, opacity, colour) -> None:
    outline = 2 if colour == WHITE else 0
    (event,) = find(on_board(Board(opacity, colour), outline=outline), networks)
    assert (event.start_frame, event.end_frame) == (8, 50)
    assert event.plate is not None
    assert box_error(event.plate.box, RECT) <= 1
    assert event.plate.opacity == pytest.approx(opacity, abs=0.06)
    assert (event.plate.y, event.plate.u, event.plate.v) == pytest.approx(colour, abs=14)
    assert (event.plate.start_frame, event.plate.end_frame) == (8, 50)


def test_two_lines_on_one_plate_are_one_caption(networks) -> None:
    board = Board(0.5, BLACK, Rect(80, 196, 400, 258))
    lines = (
        Drawn("First line of it", 8, 50, baseline=0.83, outline=0),
        Drawn("and the second one", 8, 50, baseline=0.94, outline=0),
    )
    frames, _ = with_captions(behind(moving(60, 1.0), board, 8, 50), lines)
    (event,) = find(encoded(frames), networks)
    assert event.text == "First line of it\nand the second one"
    assert event.plate is not None
    assert box_error(event.plate.box, board.rect) <= 1


def test_a_line_that_changes_on_a_plate_leaves_the_plate_to_the_one_that_stays(networks) -> None:
    board = Board(0.5, BLACK, Rect(80, 196, 400, 258))
    lines = (
        Drawn("Speaker one", 8, 50, baseline=0.83, outline=0),
        Drawn("says this first", 8, 30, baseline=0.94, outline=0),
        Drawn("and that later", 30, 50, baseline=0.94, outline=0),
    )
    frames, _ = with_captions(behind(moving(60, 1.0), board, 8, 50), lines)
    events = find(encoded(frames), networks)
    assert sorted((event.start_frame, event.end_frame) for event in events) == [(8, 30), (8, 50), (30, 50)]
    for index in range(8, 50):
        plates = [event.plate for event in events if event.start_frame <= index < event.end_frame and event.plate]
        assert len(plates) == 1


def test_the_mask_holds_letters_and_the_edge_of_the_plate_and_leaves_the_rest(networks) -> None:
    (event,) = find(on_board(Board(0.5, BLACK)), networks)
    mask = mask_of(event)
    inner = np.zeros_like(mask)
    inner[RECT.grow(-3, RECT).slices] = True
    edge = np.zeros_like(mask)
    edge[RECT.grow(1, Rect(0, 0, 480, 270)).slices] = True
    edge[RECT.grow(-1, RECT).slices] = False
    assert mask[edge].mean() > 0.99
    assert mask[inner].mean() < 0.5
    _, opacities = with_captions(moving(60, 1.0), (Drawn("Read me on a board", 8, 50, outline=0),))
    assert mask[opacities[20] > 0.1].mean() > 0.98


def test_an_opaque_plate_is_filled(networks) -> None:
    (event,) = find(on_board(Board(1.0, BLACK)), networks)
    assert event.plate is None
    assert mask_of(event)[RECT.slices].mean() > 0.99


def test_while_a_plate_fades_it_is_not_there_in_full(networks) -> None:
    (event,) = find(on_board(Board(0.6, BLACK, fade_frames=6)), networks)
    assert event.start_frame <= 9
    assert event.end_frame >= 49
    assert event.plate is not None
    assert 13 <= event.plate.start_frame <= 15
    assert 43 <= event.plate.end_frame <= 45
    assert event.plate.opacity == pytest.approx(0.6, abs=0.12)


@pytest.mark.parametrize(("opacity", "colour"), [(0.5, BLACK), (0.6, BLUE)])
def test_a_plate_that_never_comes_or_goes_is_measured_at_its_edges(networks, opacity, colour) -> None:
    smooth = [
        replace(frame, **{name: cv2.GaussianBlur(getattr(frame, name), (0, 0), 9) for name in "yuv"})
        for frame in moving(40, 3.0)
    ]
    caption = Drawn("Here from start to end", 0, 40, outline=0)
    board = Board(opacity, colour, Rect(102, 222, 360, 258))
    frames, _ = with_captions(behind(smooth, board, 0, 40), (caption,))
    (event,) = find(encoded(frames), networks)
    assert event.plate is not None
    assert box_error(event.plate.box, board.rect) <= 2
    assert event.plate.opacity == pytest.approx(opacity, abs=0.1)
    assert (event.plate.start_frame, event.plate.end_frame) == (0, 40)


def test_what_never_comes_or_goes_and_stands_on_nothing_has_no_plate(networks) -> None:
    for step in (0.0, 2.3):
        frames, _ = with_captions(moving(30, step), (Drawn("Here from start to end", 0, 30),))
        (event,) = find(encoded(frames), networks)
        assert event.plate is None


@pytest.mark.parametrize("step", [0.0, 2.3])
def test_a_caption_without_a_plate_has_none(networks, step) -> None:
    for outline in (0, 2):
        frames, _ = with_captions(moving(60, step), (Drawn("Nothing behind this", 8, 50, outline=outline),))
        (event,) = find(encoded(frames), networks)
        assert event.plate is None


def test_a_glow_that_follows_the_letters_is_no_plate(networks) -> None:
    frames, opacities = with_captions(moving(60, 1.0), (Drawn("Soft and dark behind", 8, 50),))
    glow = cv2.GaussianBlur(opacities[20], (0, 0), 6)
    shaded = [
        replace(frame, y=np.where(opacities[20] > 0.5, frame.y, frame.y * (1 - 0.7 * glow)).astype(np.uint8))
        if 8 <= frame.index < 50
        else frame
        for frame in frames
    ]
    (event,) = find(encoded(shaded), networks)
    assert event.plate is None


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_plate_of_a_turned_video_lies_in_coded_pixels(networks, turns) -> None:
    frames = [
        replace(frame, **{name: np.rot90(getattr(frame, name), -turns).copy() for name in "yuv"})
        for frame in on_board(Board(0.5, BLACK))
    ]
    (event,) = find(frames, networks, rotation_degrees=90 * turns)
    assert event.plate is not None
    # np.rot90 turns the other way round: three more quarters bring the rectangle to where the frames were turned.
    assert box_error(event.plate.box, RECT.turned(-turns % 4, 480, 270)) <= 1


def test_a_plate_spread_over_a_picture_darkens_what_lay_beside_it() -> None:
    level = np.full((20, 40), 100, np.uint8)
    half = np.full((10, 20), 128, np.uint8)
    plate = FoundPlate(Rect(10, 4, 30, 16), 0.5, (16.0, 128.0, 128.0), np.zeros((12, 20), dtype=bool))
    level[plate.rect.slices] = 58
    assert (spread_plate(Picture(level, half, half), plate).y == 58).all()


def test_what_of_a_plate_is_filled_is_its_edge_and_what_it_does_not_explain() -> None:
    misfit = np.zeros((20, 40), dtype=bool)
    misfit[10, 20] = True
    rect, mask = plate_border(FoundPlate(Rect(10, 4, 50, 24), 0.5, (16.0, 128.0, 128.0), misfit), 3, Rect(0, 0, 60, 26))
    assert rect == Rect(7, 1, 53, 26)
    assert mask.shape == (25, 46)
    inside = mask[6:-5, 6:-6]
    assert mask.sum() - inside.sum() == 255 * (mask.size - inside.size)
    assert (inside > 0).sum() == 1
