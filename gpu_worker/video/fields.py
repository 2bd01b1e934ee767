"""Interlaced video: marks pictures with their field order for the encoder, and turns fields into full pictures."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from av.error import BlockingIOError as NeedsMoreInputError
from av.error import EOFError as DrainedError
from av.filter import Graph
from av.video.frame import VideoFrame

from domain.detection import Shot
from domain.renewals import SETTLED_FRAMES
from domain.work_order import Segment
from gpu_worker.video.frame import Frame
from gpu_worker.video.pixels import picture_from_planes, plane_arrays
from gpu_worker.video.source import FieldOrder

_SETPARAMS_MODES: dict[FieldOrder, str] = {"progressive": "prog", "top_first": "tff", "bottom_first": "bff"}
_BWDIF_PARITIES: dict[FieldOrder, str] = {"top_first": "tff", "bottom_first": "bff"}
#: What bwdif looks at beside a frame.
_NEIGHBOURS = SETTLED_FRAMES


class FieldTagger:
    """Sets the interlaced flags of pictures, which PyAV leaves to a filter; libx264 reads them picture by picture."""

    def __init__(self, field_order: FieldOrder) -> None:
        self._mode = _SETPARAMS_MODES[field_order]
        self._graph: Graph | None = None

    def tag(self, picture: VideoFrame) -> VideoFrame:
        """Return the same picture with the flags set."""
        if self._graph is None:
            self._graph = _graph(picture, ("setparams", f"field_mode={self._mode}"))
        self._graph.vpush(picture)
        return self._graph.vpull()


def context_frames(segment: Segment, field_order: FieldOrder) -> tuple[int, int]:
    """Return how many frames before and behind a piece it takes to deinterlace it as if it were not alone."""
    if field_order == "progressive":
        return 0, 0
    return min(_NEIGHBOURS, segment.lead_frames), min(_NEIGHBOURS, segment.tail_frames)


def deinterlace(frames: Iterable[Frame], field_order: FieldOrder, shots: Iterable[Shot]) -> Iterator[Frame]:
    """Yield one full picture a frame by motion-adaptive interpolation (bwdif); count, index and pts stay as they are.

    An enlarged comb could not be removed by a player any more, so an upscale comes after this. No pixel comes from
    another shot.
    """
    walls = sorted(shot.start_frame for shot in shots)
    for _, of_one_shot in groupby(frames, lambda frame: bisect_right(walls, frame.index)):
        yield from _deinterlaced(of_one_shot, field_order)


def _deinterlaced(frames: Iterable[Frame], field_order: FieldOrder) -> Iterator[Frame]:
    waiting: list[Frame] = []
    graph: Graph | None = None
    for frame in frames:
        picture = picture_from_planes((frame.y, frame.u, frame.v), frame.bit_depth, frame.pts, frame.time_base)
        if graph is None:
            graph = _graph(picture, ("bwdif", f"mode=send_frame:parity={_BWDIF_PARITIES[field_order]}:deint=all"))
        waiting.append(frame)
        graph.vpush(picture)
        yield from _pulled(graph, waiting)
    if graph is not None:
        graph.vpush(None)
        yield from _pulled(graph, waiting)


def _pulled(graph: Graph, waiting: list[Frame]) -> Iterator[Frame]:
    while True:
        try:
            picture = graph.vpull()
        except (NeedsMoreInputError, DrainedError):
            return
        source = waiting.pop(0)
        y, u, v = plane_arrays(picture, source.bit_depth)
        yield replace(source, y=y, u=u, v=v, interlaced=False)


def _graph(picture: VideoFrame, node: tuple[str, str]) -> Graph:
    assert picture.time_base is not None
    graph = Graph()
    source = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        time_base=picture.time_base,
    )
    graph.link_nodes(source, graph.add(*node), graph.add("buffersink")).configure()
    return graph
