"""Single pictures of a video, turned as players show them: for the eyes of a person."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import cast

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from domain.errors import UnreadableVideoError
from gpu_worker.video.source import VideoFacts, open_source, packets_until_damage, pictures_of
from media.container import main_video_stream


def still_at(path: Path, facts: VideoFacts, seconds: float) -> NDArray[np.uint8]:
    """Return the picture shown ``seconds`` after the first one, (H, W, 3) BGR, turned and mirrored for display.

    Raises:
        UnreadableVideoError: when there is none.
    """
    # A seek in a short broadcast stream may land behind everything: then from the front.
    picture = _picture_at(path, facts, seconds, seek=True) or _picture_at(path, facts, seconds, seek=False)
    if picture is None:
        raise UnreadableVideoError(f"{path.name}: no picture is found at {seconds:.2f} s")
    bgr = cast("NDArray[np.uint8]", picture.reformat(width=facts.width, height=facts.height).to_ndarray(format="bgr24"))
    return displayed(bgr, facts)


def displayed(picture: NDArray[np.uint8], facts: VideoFacts) -> NDArray[np.uint8]:
    """Return a picture in coded orientation, (H, W) or (H, W, channels), turned and mirrored as players show it."""
    turned = np.rot90(picture, facts.rotation_degrees // 90)
    return np.ascontiguousarray(np.fliplr(turned) if facts.mirrored else turned)


def _picture_at(path: Path, facts: VideoFacts, seconds: float, *, seek: bool) -> VideoFrame | None:
    with open_source(path) as container:
        stream = main_video_stream(container)
        first = stream.start_time or 0
        wanted = first + round(seconds / facts.time_base)
        if seek:
            with suppress(FFmpegError):
                container.seek(wanted, stream=stream, backward=True)
        latest: VideoFrame | None = None
        for packet in packets_until_damage(container, stream):
            try:
                pictures = pictures_of(packet)
            except FFmpegError:
                continue
            for picture in pictures:
                if latest is not None and picture.pts is not None and picture.pts > wanted:
                    return latest
                latest = picture
        return latest
