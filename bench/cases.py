"""What the erase bench runs on: parts of clean clips, and the captions that are to be drawn over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

#: Every case is encoded at this rate, whatever its clip's own: lengths below are frames.
RATE = 25
_FONT_FOLDERS = (Path("/usr/share/fonts"), Path.home() / ".local/share/fonts")
#: Letters up to here are in Pillow's own font.
_LATIN_END = 0x250
_BLACK = (0, 0, 0)
_WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Style:
    """How a caption is drawn.

    ``plate`` is the opacity of a box behind the text, 0 for none; ``fade_frames`` are those in and those out;
    ``baseline`` is where the text ends, as a share of the picture's height.
    """

    text: str
    font: str
    ink: tuple[int, int, int] = (255, 255, 255)
    outline: bool = True
    shadow: bool = False
    plate: float = 0.0
    plate_ink: tuple[int, int, int] = _BLACK
    fade_frames: int = 0
    baseline: float = 0.94


@dataclass(frozen=True, slots=True)
class Planned:
    """One caption to draw: frames ``start`` to ``end`` (exclusive) of the case."""

    start: int
    end: int
    style: Style


@dataclass(frozen=True, slots=True)
class Case:
    """A part of a clean clip. ``kind`` groups cases in the summary; without ``captions``, chance draws them."""

    kind: str
    file: str
    start: int
    frames: int
    captions: tuple[Planned, ...] = ()

    @property
    def name(self) -> str:
        """Kind and clip, and no file system's trouble."""
        return f"{self.kind}-{Path(self.file).stem}-{self.start}"


#: What chance chooses from.
STYLES = (
    Style("We should have left hours ago.", "DejaVuSans-Bold"),
    Style(
        "Nobody told me about\nthe second meeting tonight", "DejaVuSans", ink=(255, 230, 60), outline=False, shadow=True
    ),
    Style("我们早就应该离开这里了", "wqy-microhei", ink=(255, 255, 255)),
    Style("Wait! Where are you going?", "DejaVuSans-Bold", fade_frames=6),
    Style("Je ne sais pas encore, peut-être demain", "DejaVuSerif-Italic"),
    Style("昨日の夜、何が起きたの", "NotoSansCJK-Bold", fade_frames=3),
    Style("Это просто невероятно", "DejaVuSans", outline=False, shadow=True),
    Style("OK.", "DejaVuSans-Bold"),
)

_PLATES = (
    Planned(8, 40, Style("Behind a third of black", "DejaVuSans", outline=False, plate=0.3)),
    Planned(44, 78, Style("Half of it is still there", "DejaVuSans", outline=False, plate=0.5)),
    Planned(82, 116, Style("Hardly anything shows", "DejaVuSans", outline=False, plate=0.7, fade_frames=4)),
)
_COLOURED_PLATES = (
    Planned(8, 40, Style("Dark on a white plate", "DejaVuSans", _BLACK, outline=False, plate=0.6, plate_ink=_WHITE)),
    Planned(44, 80, Style("蓝色底板上的字幕", "wqy-microhei", outline=False, plate=0.5, plate_ink=(20, 40, 160))),
)
_OPAQUE_PLATES = (
    Planned(8, 44, Style("Nothing shows through", "DejaVuSans-Bold", outline=False, plate=1.0)),
    Planned(44, 84, Style("Nor through this one", "DejaVuSans", (255, 230, 60), outline=False, plate=1.0)),
)
_UPPER_LINE = Style("This line stays", "DejaVuSans-Bold", baseline=0.86)
_LINES = (
    Planned(10, 92, _UPPER_LINE),
    Planned(10, 40, Style("while one below", "DejaVuSans-Bold")),
    Planned(44, 70, Style("comes and goes", "DejaVuSans-Bold")),
    Planned(70, 92, Style("and comes again", "DejaVuSans-Bold")),
)
_TWO_LANGUAGES = (
    Planned(10, 60, Style("先生早上好", "wqy-microhei", (255, 230, 60), baseline=0.86)),
    Planned(10, 60, Style("Good morning, sir", "DejaVuSans")),
    Planned(60, 94, Style("请坐", "wqy-microhei", (255, 230, 60), baseline=0.86)),
    Planned(60, 94, Style("Do sit down", "DejaVuSans")),
)
# The first stands for less than 0.6 s, as all of them do but one: a caption band shows that it is one.
_SHORT = (
    Planned(8, 20, Style("No!", "DejaVuSans-Bold")),
    Planned(20, 30, Style("Run, run!", "DejaVuSans-Bold")),
    Planned(36, 60, Style("I thought you knew", "DejaVuSans-Bold")),
    Planned(66, 74, Style("Me?", "DejaVuSans-Bold")),
    Planned(78, 92, Style("快点", "wqy-microhei")),
)
_SCRIPTS = (
    Planned(6, 28, Style("어젯밤에 무슨 일이 있었어", "NotoSansCJK-Bold")),
    Planned(28, 50, Style("لا أعرف ماذا أقول", "DejaVuSans-Bold")),
    Planned(54, 76, Style("Δεν ξέρω τι να πω", "DejaVuSans")),  # noqa: RUF001  it is Greek
    Planned(76, 98, Style("Thì ra là như vậy à?", "DejaVuSans", outline=False, shadow=True)),
)


def _around_cuts(first: int, second: int, end: int) -> tuple[Planned, ...]:
    """Return captions of which one changes on the first cut and one stands across the second."""
    return (
        Planned(6, first, Style("Before the cut", "DejaVuSans-Bold")),
        Planned(first, first + 30, Style("and right behind it", "DejaVuSans-Bold")),
        Planned(second - 24, min(end, second + 20), Style("Across the next one", "DejaVuSans", shadow=True)),
    )


#: The first ten are what earlier figures were measured on: a change of them would make those incomparable.
CORE_CASES = (
    Case("static", "static_person_walkin.mp4", 60, 90),
    Case("static", "static_bottles_conveyor.mp4", 100, 100),
    Case("static", "juggle_park.mp4", 20, 100),
    Case("pan", "drone_beach_pan.mp4", 300, 100),
    Case("pan", "lofoten_person.mp4", 0, 100),
    Case("pan", "bbb_anim_open.webm", 200, 100),
    Case("fast", "cups_hands_fast.mp4", 60, 100),
    Case("fast", "tos_action_A.mp4", 20, 100),
    Case("dark", "dark_indoor_dog.mp4", 0, 100),
    Case("dark", "chaplin_bw.mp4", 40, 100),
)

CASES = (
    *CORE_CASES,
    Case("static", "static_traffic_day.mp4", 100, 100),
    Case("static", "flower_timelapse.mp4", 20, 100),
    Case("dark", "nasa_dark_480x270.mp4", 60, 100),
    Case("animation", "bbb_anim_open.webm", 390, 100),
    Case("animation", "bbb_anim_open.webm", 556, 100),
    # Cuts of the clip at 101 and 189, at 283 and 376, and at 240.
    Case("cuts", "tos_action_A.mp4", 60, 160, _around_cuts(41, 129, 160)),
    Case("cuts", "bbb_anim_open.webm", 240, 160, _around_cuts(43, 136, 160)),
    Case("cuts", "nasa_dark_480x270.mp4", 200, 90, _around_cuts(40, 40 + 60, 90)[:2]),
    Case("plates", "static_bottles_conveyor.mp4", 300, 120, _PLATES),
    Case("plates", "drone_beach_pan.mp4", 500, 120, _PLATES),
    Case("plates", "flower_timelapse.mp4", 30, 90, _COLOURED_PLATES),
    Case("plates", "juggle_park.mp4", 130, 90, _OPAQUE_PLATES),
    Case("lines", "static_traffic_day.mp4", 300, 100, _LINES),
    Case("lines", "drone_beach_pan.mp4", 100, 100, _TWO_LANGUAGES),
    Case("short", "cups_hands_fast.mp4", 180, 100, _SHORT),
    Case("short", "static_person_walkin.mp4", 0, 100, _SHORT),
    Case("scripts", "juggle_park.mp4", 60, 104, _SCRIPTS),
    Case("scripts", "chaplin_bw.mp4", 120, 104, _SCRIPTS),
)


_STAYING = Style("Nobody told me about\nthe second meeting", "DejaVuSans-Bold")


def _standing(file: str, start: int, frames: int) -> Case:
    """Return a case with a caption that stands from the first to the last frame."""
    return Case("standing", file, start, frames, (Planned(0, frames, _STAYING),))


#: What is behind these captions is never seen, or only while it moves: a person who signs, rooms, what is held close
#: to the camera. They are erased with their true masks, as nothing tells them from what belongs to the scene.
STANDING_CASES = (
    _standing("../../train/video/asl_again.mkv", 0, 60),
    _standing("static_person_walkin.mp4", 80, 60),
    _standing("static_bottles_conveyor.mp4", 700, 60),
    _standing("cups_hands_fast.mp4", 200, 60),
    _standing("dark_indoor_dog.mp4", 90, 50),
    _standing("flower_timelapse.mp4", 60, 60),
)


@cache
def font_path(name: str) -> Path | None:
    """Return the file of a font installed on this machine, None where there is none."""
    return next((path for folder in _FONT_FOLDERS for path in sorted(folder.rglob(f"{name}.*"))), None)


def can_draw(style: Style) -> bool:
    """Tell whether the style's script can be drawn: without its own font, only Latin can."""
    return font_path(style.font) is not None or all(ord(letter) < _LATIN_END for letter in style.text)


def captions_of(case: Case, seed: int) -> tuple[Planned, ...]:
    """Return the case's captions that can be drawn here; where it names none, those that chance draws from ``seed``."""
    planned = case.captions or _by_chance(case.frames, seed)
    return tuple(caption for caption in planned if can_draw(caption.style))


def _by_chance(frames: int, seed: int) -> tuple[Planned, ...]:
    """Return captions of changing style: about two thirds of the time one is on screen."""
    styles = [style for style in STYLES if can_draw(style)]
    chance = np.random.default_rng(seed)
    planned = []
    start, number = 8, seed
    while start < frames - 4:
        end = min(frames, start + int(chance.uniform(0.6, 2.4) * RATE))
        planned.append(Planned(start, end, styles[number % len(styles)]))
        start, number = end + int(chance.choice([0, 3, 12, 25])), number + 1
    return tuple(planned)
