"""Captions and icons become overlays: where, when, what is filled, and what is looked through."""

import base64

import numpy as np
import pytest
from pydantic import ValidationError

from domain.detection import Box, CaptionEvent, IconBehaviour, Plate
from gpu_worker.fill.overlays import Subject, SubjectKind, overlays_of
from gpu_worker.video.masks import decode_mark_mask, decode_matte, encode_mask, encode_matte
from tests.unit.fill import drawn_icons


def caption(**changes):
    mask = np.zeros((20, 60), dtype=bool)
    mask[5:15, 10:50] = True
    event = CaptionEvent(
        index=4,
        start_frame=3,
        end_frame=9,
        start_seconds=0,
        end_seconds=1,
        box=Box(x0=100, y0=50, x1=160, y1=70),
        mask_png=encode_mask(mask),
        text="Two\nlines",
    )
    return event.model_copy(update=changes)


def test_every_place_of_an_icon_is_an_overlay_and_all_have_numbers_of_their_own():
    icon = drawn_icons.track((0, 5, 10, 20), (5, 9, 200, 20), behaviour=IconBehaviour.JUMPING)
    overlays = overlays_of((caption(), caption(index=5)), (icon,))
    assert [overlay.number for overlay in overlays] == [0, 1, 2, 3]
    assert [overlay.subject for overlay in overlays] == [
        Subject(SubjectKind.CAPTION, 4),
        Subject(SubjectKind.CAPTION, 5),
        Subject(SubjectKind.ICON, 0),
        Subject(SubjectKind.ICON, 0),
    ]
    first, second = overlays[2:]
    assert (first.start_frame, first.end_frame, second.start_frame, second.end_frame) == (0, 5, 5, 9)
    assert second.box == Box(x0=200, y0=20, x1=200 + drawn_icons.WIDTH, y1=20 + drawn_icons.HEIGHT)
    assert first.mask is second.mask, "a mark that drifts has hundreds of places"
    assert first.veil is None
    assert [first.is_on(index) for index in (0, 4, 5)] == [True, True, False]
    assert overlays[0].lines == 2


def test_a_plate_lets_through_only_what_lies_beside_the_letters():
    box = Box(x0=104, y0=52, x1=156, y1=68)
    plate = Plate(box=box, start_frame=4, end_frame=8, opacity=0.4, y=20, u=120, v=130)
    (overlay,) = overlays_of((caption(plate=plate),))
    assert overlay.veil is not None
    assert overlay.veil.box == box
    assert (overlay.veil.start_frame, overlay.veil.end_frame) == (4, 8)
    assert set(np.unique(overlay.veil.opacity)) == {np.float32(0.4), np.float32(1)}
    assert np.array_equal(overlay.veil.opacity == 1, overlay.mask[2:18, 4:56])
    assert overlay.veil.colour[:, 3, 3].tolist() == [20, 120, 130]


def test_a_matte_comes_back_as_it_went():
    shape = drawn_icons.opacity(0.6)
    colour = np.random.default_rng(1).integers(0, 256, (*shape.shape, 3)).astype(np.float32)
    mark = drawn_icons.mark(0.6, with_matte=False).model_copy(update={"matte": encode_matte(shape, colour)})
    decoded = decode_matte(mark)
    assert decoded is not None
    assert np.abs(decoded[0] - shape).max() <= 0.5 / 255 + 1e-6
    assert np.array_equal(decoded[1], colour), "Y, U and V stay in their order"
    (overlay,) = overlays_of((), (drawn_icons.track((0, 5, 10, 20), strength=0.6, with_matte=True),))
    assert overlay.veil is not None
    assert overlay.veil.colour.shape == (3, *shape.shape)
    assert overlay.veil.colour[:, 24, 20].tolist() == list(drawn_icons.COLOUR)


@pytest.mark.parametrize("png", ["", "not base64!", base64.b64encode(b"no picture").decode()])
def test_a_mark_whose_mask_is_no_picture_is_refused(png):
    mark = drawn_icons.mark(1.0, with_matte=False).model_copy(update={"mask_png": png})
    with pytest.raises(ValueError, match="mask of a mark"):
        decode_mark_mask(mark)


def test_a_matte_of_another_size_than_its_mark_is_refused():
    small = encode_matte(np.zeros((4, 4), np.float32), np.zeros((4, 4, 3), np.float32))
    mark = drawn_icons.mark(1.0, with_matte=False).model_copy(update={"matte": small})
    with pytest.raises(ValueError, match="opacity of a mark"):
        decode_matte(mark)


def test_a_place_without_a_mark_is_refused():
    icon = drawn_icons.track((0, 5, 10, 20))
    places = [{**icon.places[0].model_dump(), "mark": 1}]
    with pytest.raises(ValidationError, match="names a mark that the track does not have"):
        type(icon).model_validate({**icon.model_dump(), "places": places})
