"""The yardstick of every speed: a plain decode and encode of the same clip, on the same machine, in the same run."""

from __future__ import annotations

import time
from pathlib import Path

import av


def plain_transcode(clip: Path, target: Path) -> float:
    """Decode and encode with libx264 veryfast crf 18 and nothing else; return seconds."""
    started = time.perf_counter()
    with av.open(str(clip)) as source, av.open(str(target), "w") as out:
        video = source.streams.video[0]
        video.thread_type = "AUTO"
        stream = out.add_stream("libx264", rate=video.average_rate, options={"preset": "veryfast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        if video.time_base is not None:  # else a variable frame rate does not fit the encoder's clock
            stream.codec_context.time_base = video.time_base
        for frame in source.decode(video):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return time.perf_counter() - started
