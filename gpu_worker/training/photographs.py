"""The pictures and clips that the networks learn from: only those whose licence lets the weights be shipped."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

_FOLDER = "train/"
_PICTURES = frozenset({".png", ".jpg", ".jpeg"})
_CLIPS = frozenset({".mp4", ".mkv", ".webm"})
#: Public domain, CC0 and CC-BY of any version; neither ShareAlike, NonCommercial nor NoDerivatives.
_PERMISSIVE = re.compile(r"\bCC0\b|\bCC-BY(?!-(?:SA|NC|ND))\b|\bpublic domain\b", re.IGNORECASE)
_RESTRICTED = re.compile(r"test only|\bCC-BY-(?:SA|NC|ND)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Photograph:
    """One row of the manifest."""

    path: Path
    licence: str


def may_train(licence: str) -> bool:
    """Tell whether weights trained on a picture of this licence may be shipped."""
    return bool(_PERMISSIVE.search(licence)) and not _RESTRICTED.search(licence)


def list_photographs(manifest: Path) -> tuple[Photograph, ...]:
    """Return the still pictures for training that the manifest lists and whose licence permits it, in its order."""
    return _listed(manifest, _PICTURES)


def list_clips(manifest: Path) -> tuple[Photograph, ...]:
    """Return the videos for training that the manifest lists and whose licence permits it, in its order."""
    return _listed(manifest, _CLIPS)


def _listed(manifest: Path, suffixes: frozenset[str]) -> tuple[Photograph, ...]:
    with manifest.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return tuple(
        Photograph(manifest.parent / row["path"], row["licence"])
        for row in rows
        if row["path"].startswith(_FOLDER)
        and Path(row["path"]).suffix.lower() in suffixes
        and may_train(row["licence"])
    )


def read_rgb(photograph: Photograph) -> NDArray[np.uint8]:
    """Return the picture as (H, W, 3)."""
    with Image.open(photograph.path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)


def read_stills(clip: Photograph, count: int) -> list[NDArray[np.uint8]]:
    """Return ``count`` frames of a video, evenly spread, as (H, W, 3); fewer where it has fewer."""
    with av.open(str(clip.path), "r") as container:
        frames = list(container.decode(video=0))
    places = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))
    return [np.asarray(frames[place].to_ndarray(format="rgb24"), dtype=np.uint8) for place in places]
