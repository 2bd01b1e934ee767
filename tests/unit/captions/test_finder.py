"""Captions found in drawn clips: when, where, what they say, and which pixels."""

import base64
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from domain.regions import Region, TimeRange
from gpu_worker.captions.detector import TextDetector
from gpu_worker.captions.finder import DETECTION_MODEL, RECOGNITION_MODEL, CaptionFinder
from gpu_worker.captions.reading import TextReader
from gpu_worker.inference.session import open_session
from tests.unit.captions.drawn import HEIGHT, RATE, WIDTH, Drawn, moving, with_captions


@pytest.fixture(scope="module")
def networks():
    return {
        "detector": TextDetector(open_session(DETECTION_MODEL)),
        "reader": TextReader(open_session(RECOGNITION_MODEL)),
    }


def find(frames, networks, regions=(), rotation_degrees=0, **options):
    size = (frames[0].width, frames[0].height)
    finder = CaptionFinder(*size, rotation_degrees, regions, RATE, **options, **networks)
    for frame in frames:
        finder.process_frame(frame, frame.index / RATE)
    return finder.flush()


def mask_of(event, width=WIDTH, height=HEIGHT):
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(event.mask_png), np.uint8), cv2.IMREAD_UNCHANGED)
    box = event.box
    assert picture.shape == (box.height, box.width)
    assert set(np.unique(picture)) <= {0, 255}
    mask = np.zeros((height, width), dtype=bool)
    mask[box.y0 : box.y1, box.x0 : box.x1] = picture > 0
    return mask


@pytest.mark.parametrize("step", [0.0, 2.3])
def test_ends_are_exact_to_the_frame_and_the_text_is_read(networks, step):
    drawn = (Drawn("Where have you been", 7, 38), Drawn("All night long", 38, 61), Drawn("Home", 66, 74))
    frames, _ = with_captions(moving(80, step), drawn)
    events = find(frames, networks)
    assert [(event.start_frame, event.end_frame) for event in events] == [(7, 38), (38, 61), (66, 74)]
    assert [event.text for event in events] == ["Where have you been", "All night long", "Home"]
    assert events[0].start_seconds == pytest.approx(7 / RATE)
    assert events[0].end_seconds == pytest.approx(38 / RATE)
    assert all(event.confidence > 0.8 for event in events)


def test_a_fade_is_followed_to_within_a_frame(networks):
    frames, _ = with_captions(moving(60, 1.5), (Drawn("Slowly it comes", 9, 48, fade_frames=6),))
    (event,) = find(frames, networks)
    assert event.start_frame <= 10
    assert 47 <= event.end_frame <= 49


def test_two_lines_that_come_together_are_one_caption(networks):
    lines = (Drawn("First line of it", 5, 45, baseline=0.84), Drawn("and the second one", 5, 45, baseline=0.96))
    frames, _ = with_captions(moving(50, 1.0), lines)
    (event,) = find(frames, networks)
    assert event.text == "First line of it\nand the second one"


def test_a_line_that_changes_under_another_keeps_both_exact(networks):
    lines = (
        Drawn("Speaker one", 5, 55, baseline=0.84),
        Drawn("says this first", 5, 30, baseline=0.96),
        Drawn("and that later", 30, 55, baseline=0.96),
    )
    frames, _ = with_captions(moving(60, 1.0), lines)
    spans = sorted((event.start_frame, event.end_frame) for event in find(frames, networks))
    assert spans == [(5, 30), (5, 55), (30, 55)]


def test_a_hard_cut_does_not_end_a_caption(networks):
    clean = moving(25, 1.0, seed=1) + [replace(frame, index=frame.index + 25) for frame in moving(25, 1.0, seed=7)]
    frames, _ = with_captions(clean, (Drawn("It goes on and on", 5, 45),))
    (event,) = find(frames, networks)
    assert (event.start_frame, event.end_frame) == (5, 45)


@pytest.mark.parametrize("outline", [0, 2])
def test_the_mask_holds_the_glyphs_and_little_else(networks, outline):
    frames, opacities = with_captions(moving(50, 2.0), (Drawn("Quick brown foxes jump", 5, 45, outline=outline),))
    (event,) = find(frames, networks)
    mask = mask_of(event)
    glyphs = opacities[20] > 0.1
    near = cv2.dilate(glyphs.astype(np.uint8), np.ones((11, 11), np.uint8)).astype(bool)
    assert (mask & glyphs).sum() / glyphs.sum() > 0.985
    assert (mask & near).sum() / mask.sum() > 0.9


def test_a_dark_glow_behind_the_letters_goes_with_them(networks):
    caption = Drawn("Read me in the dark", 5, 45)
    frames, opacities = with_captions(moving(50, 2.0), (caption,))
    near = cv2.dilate((opacities[20] > 0.1).astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool)
    light = np.where(near & (opacities[20] < 0.1), 0.4, 1.0)
    shaded = [
        replace(frame, y=(frame.y * light).astype(np.uint8)) if 5 <= frame.index < 45 else frame for frame in frames
    ]
    (plain,), (event,) = find(frames, networks), find(shaded, networks)
    assert (mask_of(event) & near).sum() / near.sum() > 0.97
    assert (mask_of(plain) & near).sum() / near.sum() < 0.95


def test_a_caption_of_which_the_video_shows_one_frame_goes_where_others_stood(networks):
    drawn = (Drawn("Long enough to read", 5, 30), Drawn("Only a glimpse", 39, 40))
    frames, _ = with_captions(moving(40, 1.0), drawn)
    assert [(event.start_frame, event.end_frame) for event in find(frames, networks)] == [(5, 30), (39, 40)]


@pytest.mark.parametrize("baseline", [0.93, 0.94, 0.95])
def test_a_text_that_another_is_set_over_goes_on_as_long_as_its_top_shows(networks, baseline):
    frames, _ = with_captions(moving(60, 1.0), (Drawn("UNDERNEATH IT ALL", 5, 50, baseline=0.90),))
    over, opacities = with_captions(moving(60, 1.0), (Drawn("Set over the other one", 25, 60, baseline=baseline),))
    rows = np.flatnonzero(opacities[40].max(axis=1) > 0.1)
    hidden = slice(int(rows[0]), int(rows[-1]) + 1)
    for index in range(25, 60):
        frames[index].y[hidden] = over[index].y[hidden]
    covered, cover = find(frames, networks)
    assert covered.start_frame == 5
    assert 50 <= covered.end_frame <= 51
    assert (cover.start_frame, cover.end_frame) == (25, 60)


def test_text_that_moves_with_the_scene_stays(networks):
    clean = moving(60, 0.0)
    label, _ = with_captions(clean[:1], (Drawn("STREET SIGN", 0, 1),))
    frames = [replace(frame, y=np.roll(label[0].y, -4 * frame.index, axis=1)) for frame in clean]
    assert find(frames, networks) == ()


def test_a_video_without_captions_has_none(networks):
    assert find(moving(30, 1.0), networks) == ()


def test_a_video_of_one_frame(networks):
    frames, opacities = with_captions(moving(1, 0.0), (Drawn("Only this frame", 0, 1),))
    (event,) = find(frames, networks)
    assert (event.start_frame, event.end_frame, event.text) == (0, 1, "Only this frame")
    assert (mask_of(event) & (opacities[0] > 0.1)).sum() > 0.95 * (opacities[0] > 0.1).sum()


def test_a_caption_from_the_first_to_the_last_frame(networks):
    frames, _ = with_captions(moving(40, 1.0), (Drawn("Always there to see", 0, 40),))
    (event,) = find(frames, networks)
    assert (event.start_frame, event.end_frame) == (0, 40)


def test_only_the_region_is_looked_at_and_only_in_its_time(networks):
    top = Drawn("Above the picture", 5, 55, baseline=0.15)
    bottom = Drawn("Below the picture", 5, 55)
    frames, _ = with_captions(moving(60, 1.0), (top, bottom))
    region = Region(x=0, y=0, width=1, height=0.25, time_ranges=(TimeRange(start_seconds=1.0, end_seconds=2.0),))
    (event,) = find(frames, networks, (region,))
    assert event.text == "Above the picture"
    assert (event.start_frame, event.end_frame) == (25, 50)


def _lower_line(frames, networks, rotation_degrees=0, **times):
    """Find two lines of which the lower one is to be kept."""
    lower = Region(x=0.1, y=0.88, width=0.8, height=0.12, **times)
    return find(frames, networks, rotation_degrees=rotation_degrees, keep=(lower,))


def test_of_two_lines_the_kept_one_is_left_alone(networks):
    lines = (Drawn("Take this line off", 5, 45, baseline=0.84), Drawn("and leave this one", 5, 45, baseline=0.96))
    frames, _ = with_captions(moving(50, 1.0), lines)
    (event,) = _lower_line(frames, networks)
    assert event.text == "Take this line off"
    assert event.box.y1 <= 0.9 * HEIGHT
    turned = [
        replace(frame, **{name: np.rot90(getattr(frame, name), -1).copy() for name in ("y", "u", "v")})
        for frame in frames
    ]
    assert [event.text for event in _lower_line(turned, networks, rotation_degrees=90)] == ["Take this line off"]


def test_a_line_is_kept_only_while_the_region_counts(networks):
    frames, _ = with_captions(moving(75, 1.0), (Drawn("Here all the time", 0, 75, baseline=0.96),))
    events = _lower_line(frames, networks, time_ranges=(TimeRange(start_seconds=1.0, end_seconds=2.0),))
    assert [(event.start_frame, event.end_frame) for event in events] == [(0, 25), (50, 75)]


@pytest.mark.parametrize("rotation_degrees", [90, 180, 270])
def test_a_rotated_video_is_read_upright_and_answered_in_coded_pixels(networks, rotation_degrees):
    upright, opacities = with_captions(moving(30, 1.0), (Drawn("Turn me around", 3, 27),))
    turns = -rotation_degrees // 90
    coded = [
        replace(frame, **{name: np.rot90(getattr(frame, name), turns).copy() for name in ("y", "u", "v")})
        for frame in upright
    ]
    (event,) = find(coded, networks, rotation_degrees=rotation_degrees)
    assert event.text == "Turn me around"
    mask = mask_of(event, coded[0].width, coded[0].height)
    glyphs = np.rot90(opacities[15], turns) > 0.1
    assert (mask & glyphs).sum() > 0.98 * glyphs.sum()


def test_ten_bit_and_odd_sizes_are_found_alike(networks):
    frames, _ = with_captions(moving(30, 1.0, width=479, height=271), (Drawn("Ten bits are fine", 3, 27),))
    deep = [
        replace(frame, bit_depth=10, **{name: getattr(frame, name).astype(np.uint16) * 4 for name in ("y", "u", "v")})
        for frame in frames
    ]
    assert find(deep, networks) == find(frames, networks)
    assert find(deep, networks)[0].text == "Ten bits are fine"


def test_nothing_was_shown(networks):
    assert CaptionFinder(WIDTH, HEIGHT, 0, (), RATE, **networks).flush() == ()


def _sign(frames, text, place, luma=230, size=26):
    """Return the frames with words painted on something in the scene: at ``place(index)``."""
    done = []
    for frame in frames:
        picture = Image.fromarray(frame.y)
        ImageDraw.Draw(picture).text(place(frame.index), text, font=ImageFont.load_default(size), fill=luma)
        done.append(replace(frame, y=np.asarray(picture)))
    return done


def test_anywhere_the_band_is_found_and_what_stays_or_moves_is_left(networks):
    clean = _sign(moving(110, 1.0), "SCORE 21", lambda index: (20, 12))
    clean = _sign(clean, "PACKAGE", lambda index: (150 + 2 * index, 150))
    lines = (
        Drawn("We begin up here", 8, 40, baseline=0.4),
        Drawn("and this is next", 46, 70, baseline=0.4),
        Drawn("and then the end", 70, 100, baseline=0.4),
    )
    frames, _ = with_captions(clean, lines)
    events = find(frames, networks, anywhere=True)
    assert [(event.start_frame, event.end_frame, event.text) for event in events] == [
        (line.start, line.end, line.text) for line in lines
    ]


def test_anywhere_text_that_comes_with_a_cut_and_stays_is_left(networks):
    second = _sign(moving(40, 0.5, seed=7), "HOTEL LOBBY", lambda index: (150, 100))
    clean = [*moving(40, 0.5), *(replace(frame, index=frame.index + 40) for frame in second)]
    frames, _ = with_captions(clean, (Drawn("Said at the start", 8, 34), Drawn("Said after the cut", 46, 74)))
    assert [event.text for event in find(frames, networks, anywhere=True)] == [
        "Said at the start",
        "Said after the cut",
    ]


def test_anywhere_the_second_line_of_a_caption_goes_with_the_first(networks):
    lines = (
        Drawn("Only said once", 8, 40, baseline=0.3),
        Drawn("This is the first", 46, 80, baseline=0.3),
        Drawn("and this the second", 46, 80, baseline=0.42),
    )
    frames, _ = with_captions(moving(90, 1.0), lines)
    events = find(frames, networks, anywhere=True)
    assert [event.text for event in events] == ["Only said once", "This is the first\nand this the second"]


def test_anywhere_nothing_changes_and_nothing_is_found(networks):
    clean = _sign(moving(60, 1.0), "CHANNEL 5", lambda index: (360, 14))
    assert find(clean, networks, anywhere=True) == ()


@pytest.mark.parametrize("frames_shown", [5, 9, 14])
def test_a_caption_shorter_than_others_is_found_where_they_stand(networks, frames_shown):
    drawn = (
        Drawn("Long enough to read", 4, 34),
        Drawn("No!", 40, 40 + frames_shown),
        Drawn("As I said before", 60, 90),
    )
    frames, _ = with_captions(moving(95, 1.0), drawn)
    spans = [(event.start_frame, event.end_frame) for event in find(frames, networks)]
    assert spans == [(4, 34), (40, 40 + frames_shown), (60, 90)]


def test_captions_that_change_on_a_cut_are_exact(networks):
    clean = [*moving(30, 1.0, seed=1), *(replace(frame, index=frame.index + 30) for frame in moving(30, 1.0, seed=7))]
    frames, _ = with_captions(clean, (Drawn("Before the cut", 5, 30), Drawn("After the cut", 30, 55)))
    events = find(frames, networks)
    assert [(event.start_frame, event.end_frame, event.text) for event in events] == [
        (5, 30, "Before the cut"),
        (30, 55, "After the cut"),
    ]


FONTS = Path("/usr/share/fonts")
SCRIPTS = {
    "ja": ("昨日の夜、何が起きたの", "NotoSansCJK-Bold.ttc"),
    "zh": ("我们早就应该离开这里了", "NotoSansCJK-Bold.ttc"),
    "ko": ("어젯밤에 무슨 일이 있었어요", "NotoSansCJK-Bold.ttc"),
    "ru": ("Это просто невероятно", "DejaVuSans-Bold.ttf"),
    "ar": ("لا أعرف ماذا أقول", "DejaVuSans-Bold.ttf"),
    "fr": ("Je ne sais pas, peut-être", "DejaVuSerif-Italic.ttf"),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_found_to_the_frame(networks, script):
    text, name = SCRIPTS[script]
    font = next(iter(FONTS.rglob(name)), None)
    if font is None:
        pytest.skip(f"the font {name} is not installed")
    frames, opacities = with_captions(moving(50, 1.5), (Drawn(text, 7, 41, font=str(font)),))
    (event,) = find(frames, networks)
    assert abs(event.start_frame - 7) <= 1
    assert abs(event.end_frame - 41) <= 1
    assert mask_of(event)[opacities[20] > 0.1].mean() > 0.97


@pytest.mark.parametrize("text", ["I", "啊"])
def test_a_single_character_is_a_caption(networks, text):
    font = next(iter(FONTS.rglob("NotoSansCJK-Bold.ttc")), None)
    if font is None:
        pytest.skip("the font NotoSansCJK-Bold.ttc is not installed")
    drawn = (Drawn(text, 7, 41, font=str(font)),)
    frames, opacities = with_captions(moving(50, 1.0), drawn)
    (event,) = find(frames, networks)
    assert abs(event.start_frame - 7) <= 1
    assert abs(event.end_frame - 41) <= 1
    assert mask_of(event)[opacities[20] > 0.1].mean() > 0.95


def test_large_type_is_found_to_the_frame(networks):
    frames, opacities = with_captions(moving(50, 1.0), (Drawn("BIG WORDS", 7, 41, size_share=0.16, outline=4),))
    (event,) = find(frames, networks)
    assert (event.start_frame, event.end_frame, event.text) == (7, 41, "BIG WORDS")
    assert mask_of(event)[opacities[20] > 0.1].mean() > 0.98


def test_text_from_top_to_bottom_is_found_in_a_region_of_its_own(networks):
    font = next(iter(FONTS.rglob("NotoSansCJK-Bold.ttc")), None)
    if font is None:
        pytest.skip("the font NotoSansCJK-Bold.ttc is not installed")
    text = "\n".join("我们早就应该离")
    drawn = (Drawn(text, 7, 41, baseline=0.97, font=str(font), size_share=0.09, left_share=0.86),)
    frames, opacities = with_captions(moving(50, 1.0), drawn)
    (event,) = find(frames, networks, (Region(x=0.8, y=0, width=0.2, height=1),))
    assert abs(event.start_frame - 7) <= 1
    assert abs(event.end_frame - 41) <= 1
    assert mask_of(event)[opacities[20] > 0.1].mean() > 0.95
