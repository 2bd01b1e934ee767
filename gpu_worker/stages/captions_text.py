"""The captions of a job as files for people and programs: SubRip, WebVTT, and JSON with boxes."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any

from domain.detection import Box, CaptionEvent
from gpu_worker.video.source import VideoFacts


def to_srt(captions: Sequence[CaptionEvent]) -> str:
    """Return the captions that could be read, as SubRip."""
    return "\n".join(
        f"{number}\n{_span(caption, decimal_mark=',')}\n{caption.text}\n"
        for number, caption in enumerate(_readable(captions), 1)
    )


def to_vtt(captions: Sequence[CaptionEvent]) -> str:
    """Return the captions that could be read, as WebVTT (W3C), which browsers play beside a video."""
    # A bare < would begin a tag, and an arrow inside a text would end the cue.
    cues = [
        f"{_span(caption, decimal_mark='.')}\n{html.escape(caption.text, quote=False)}\n"
        for caption in _readable(captions)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def to_json(captions: Sequence[CaptionEvent], facts: VideoFacts) -> str:
    """Return all captions as ``captions.json``."""
    document = {"version": 1, "captions": caption_entries(captions, facts)}
    return json.dumps(document, ensure_ascii=False, indent=1)


def caption_entries(captions: Sequence[CaptionEvent], facts: VideoFacts) -> list[dict[str, Any]]:
    """Return per caption when, where (coded pixels, and fractions of the displayed picture) and what it says."""
    return [
        {
            "index": caption.index,
            "start_seconds": round(caption.start_seconds, 3),
            "end_seconds": round(caption.end_seconds, 3),
            "start_frame": caption.start_frame,
            "end_frame": caption.end_frame,
            "box_pixels": caption.box.model_dump(),
            "box_displayed": displayed_box(caption.box, facts),
            "text": caption.text,
            "confidence": round(caption.confidence, 3),
        }
        for caption in captions
    ]


def displayed_box(box: Box, facts: VideoFacts) -> dict[str, float]:
    """Return a box of coded pixels as ``x, y, width, height`` fractions of the picture as players show it."""
    width, height = facts.width, facts.height
    left, top, right, bottom = box.x0 / width, box.y0 / height, box.x1 / width, box.y1 / height
    for _ in range(facts.rotation_degrees // 90):
        # A counter-clockwise quarter turn takes (x, y) to (y, 1 - x).
        left, top, right, bottom = top, 1 - right, bottom, 1 - left
    if facts.mirrored:
        left, right = 1 - right, 1 - left
    return {
        "x": round(left, 6),
        "y": round(top, 6),
        "width": round(right - left, 6),
        "height": round(bottom - top, 6),
    }


def _readable(captions: Sequence[CaptionEvent]) -> list[CaptionEvent]:
    return [caption for caption in captions if caption.text]


def _span(caption: CaptionEvent, *, decimal_mark: str) -> str:
    start, end = (_timecode(seconds, decimal_mark) for seconds in (caption.start_seconds, caption.end_seconds))
    return f"{start} --> {end}"


def _timecode(seconds: float, decimal_mark: str) -> str:
    milliseconds = max(0, round(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{decimal_mark}{rest % 1000:03d}"
