"""What the icon bench runs on: parts of clean clips, and the logos that are to be drawn over them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.cases import RATE
from domain.detection import IconBehaviour

#: Whole logos go from corner to corner in this order.
CORNERS = ("top left", "top right", "bottom right", "bottom left")
#: A jumping logo stays so long in one place, a blinking one is on and off for so long, in frames.
JUMP_FRAMES = 2 * RATE
ON_FRAMES, OFF_FRAMES = 2 * RATE, RATE
#: One round of an animated logo, in frames.
LOOP_FRAMES = 32
#: A drifting logo moves by a pixel in so many frames.
DRIFT_FRAMES = 4


@dataclass(frozen=True, slots=True)
class Logo:
    """How a logo is drawn.

    ``file`` lies in the folder of icons; ``corner`` is one of ``CORNERS``, the first one of a jumping logo; ``opacity``
    0-1 is that of the whole; ``height`` is a share of the picture's.
    """

    file: str
    opacity: float = 1.0
    behaviour: IconBehaviour = IconBehaviour.STILL
    corner: str = "top right"
    height: float = 0.12


@dataclass(frozen=True, slots=True)
class IconCase:
    """A part of a clean clip and its logo. ``kind`` is how the background moves; ``crf`` is the encoder's."""

    kind: str
    file: str
    start: int
    frames: int
    logo: Logo
    crf: int = 18

    @property
    def name(self) -> str:
        """Background, clip and logo, and no file system's trouble."""
        logo = self.logo
        return f"{self.kind}-{Path(self.file).stem}-{logo.behaviour}-{round(100 * logo.opacity)}-crf{self.crf}"


CASES = (
    # What is behind moves, or the scene changes.
    IconCase("moving", "drone_beach_pan.mp4", 300, 150, Logo("tv/italy__fox-plus-it.png")),
    IconCase("moving", "lofoten_person.mp4", 0, 100, Logo("tv/germany__wdr-bonn-de.png", 0.6, corner="top left"), 23),
    IconCase(
        "moving", "cups_hands_fast.mp4", 60, 150, Logo("tv/portugal__tvi-hd-pt.png", 0.3, corner="bottom right"), 20
    ),
    IconCase(
        "moving",
        "drone_beach_pan.mp4",
        600,
        150,
        Logo("tv/singapore__channel-5-sg.png", 0.6, IconBehaviour.JUMPING, "bottom left"),
        23,
    ),
    IconCase(
        "moving",
        "bbb_anim_open.webm",
        200,
        150,
        Logo("tv/brazil__hbo-2-br.png", 1.0, IconBehaviour.ANIMATED, "bottom right"),
        23,
    ),
    IconCase(
        "moving",
        "juggle_park.mp4",
        0,
        150,
        Logo("tv/turkey__bbn-turk-tr.png", 1.0, IconBehaviour.BLINKING, "bottom left"),
        28,
    ),
    IconCase(
        "moving", "dark_indoor_dog.mp4", 0, 150, Logo("tv/united-states__nbc-3-wstm-us.png", 0.3, corner="top left"), 28
    ),
    IconCase(
        "moving",
        "cups_hands_fast.mp4",
        0,
        150,
        Logo("tv/spain__axn-white-hd-es.png", 1.0, IconBehaviour.MOVING, "top left"),
        23,
    ),
    # Cuts of the clip at 101 and 189, and at 283 and 376.
    IconCase("cuts", "tos_action_A.mp4", 60, 160, Logo("tv/italy__radio-freccia-it.png", corner="top left"), 23),
    IconCase("cuts", "bbb_anim_open.webm", 240, 160, Logo("tv/netherlands__eurosport-2-nl.png", 0.6), 18),
    IconCase(
        "cuts",
        "tos_action_A.mp4",
        60,
        160,
        Logo("tv/poland__polsat-reality-pl.png", 1.0, IconBehaviour.JUMPING, "top left"),
        23,
    ),
    IconCase(
        "cuts",
        "nasa_dark_480x270.mp4",
        180,
        120,
        Logo("tv/world-middle-east__bein-sports-2-hz-mea.png", 0.3, corner="bottom right"),
        20,
    ),
    # The camera stands still.
    IconCase("static", "static_bottles_conveyor.mp4", 100, 150, Logo("tv/brazil__record-news-br.png"), 23),
    IconCase(
        "static", "static_traffic_day.mp4", 100, 150, Logo("tv/canada__tsn-hockey-ca.png", 0.6, corner="bottom left")
    ),
    IconCase(
        "static",
        "static_person_walkin.mp4",
        0,
        150,
        Logo("tv/portugal__fox-comedy-hd-pt.png", 0.3, corner="top left"),
        23,
    ),
    IconCase(
        "static", "flower_timelapse.mp4", 0, 150, Logo("tv/india__zee-hindustan-in.png", 1.0, IconBehaviour.JUMPING), 20
    ),
    IconCase(
        "static",
        "static_traffic_day.mp4",
        300,
        150,
        Logo("tv/malaysia__astro-arena-bug-my.png", 1.0, IconBehaviour.ANIMATED, "bottom right"),
        28,
    ),
    IconCase(
        "static",
        "static_bottles_conveyor.mp4",
        400,
        150,
        Logo("tv/france__canal-plus-cinema-hd-fr.png", 1.0, corner="bottom left"),
        18,
    ),
    IconCase(
        "static",
        "static_person_walkin.mp4",
        0,
        150,
        Logo("tv/czech-republic__cs-history-cz.png", 0.6, IconBehaviour.BLINKING, "bottom right"),
        28,
    ),
    IconCase(
        "static", "chaplin_bw.mp4", 40, 150, Logo("tv/united-kingdom__utsav-plus-hd-uk.png", 1.0, corner="top left"), 23
    ),
)
