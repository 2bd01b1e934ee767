"""The learned fill: a network repaints what no other frame reveals, given what was found and its last output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.errors import InvalidRequestError
from domain.job import Quality
from gpu_worker.fill.chunk import Filled, Surroundings
from gpu_worker.fill.filler_interface import INPUTS, OUTPUTS
from gpu_worker.fill.motion import PairMotion
from gpu_worker.inference.model_store import ModelCard, find_model, list_models, verified_path
from gpu_worker.inference.session import Device, Session, open_file, open_inner, open_session
from gpu_worker.video.frame import Plane

#: What the catalogue calls such networks.
TASK = "filling"
#: Side of a tile and what neighbours share: a tile of 256 with 64 channels takes 17 MB a layer.
_TILE_SIDE = 256
_OVERLAP = 32
_MULTIPLES = (2, 4, 8, 16, 32)
#: A pixel of which the network has at least this share counts as painted.
_MOSTLY = 0.5

Batch = NDArray[np.float32]
#: Takes the inputs by name, returns the outputs by name.
Run = Callable[[dict[str, Batch]], dict[str, Batch]]


@dataclass(frozen=True, slots=True)
class LearnedFill:
    """Repaints frames with a network.

    ``run`` takes and returns what ``filler_interface`` says; sides that go in are multiples of ``size_multiple``.
    """

    name: str
    run: Run
    size_multiple: int
    tile_side: int = _TILE_SIDE
    overlap: int = _OVERLAP

    def repaint(self, filled: Filled, previous: Surroundings | None, motion: PairMotion | None) -> Filled:
        """Return the frame with the network's pixels where the prior is not trusted.

        Args:
            filled: the prior.
            previous: the frame before, as it came out; what its occlusion covers is unknown.
            motion: between that frame and this one; None without it.
        """
        here = filled.surroundings
        need, chroma_need = filled.needs
        if not need.any():
            return filled
        inputs = _inputs(filled, previous, motion)
        luma, weight = np.zeros(need.shape, np.float32), np.zeros(need.shape, np.float32)
        chroma = np.zeros((2, *here.u.shape), np.float32)
        for rows, columns in self._tiles(need):
            result = self._run_tile(inputs, rows, columns)
            ramp = _ramp(rows, columns, need.shape, self.overlap)
            luma[rows, columns] += result["filled_luma"][0, 0] * ramp
            weight[rows, columns] += ramp
            chroma[:, _half(rows), _half(columns)] += result["filled_chroma"][0] * ramp[::2, ::2]
        np.maximum(weight, 1e-6, out=weight)
        chroma /= weight[::2, ::2]
        surroundings = Surroundings(
            _mixed(here.y, luma / weight, need, here.bit_depth),
            _mixed(here.u, chroma[0], chroma_need, here.bit_depth),
            _mixed(here.v, chroma[1], chroma_need, here.bit_depth),
            here.bit_depth,
            here.occlusion,
        )
        return replace(filled, surroundings=surroundings, painted=need >= _MOSTLY)

    def repaint_alone(self, filled: Filled) -> Filled:
        """Do what ``repaint`` does for a frame of which nothing before is known."""
        return self.repaint(filled, None, None)

    def _tiles(self, need: Batch) -> list[tuple[slice, slice]]:
        """Return the tiles that hold anything to paint; they overlap, and lie on whole chroma samples."""
        height, width = need.shape
        tiles = [
            (rows, columns)
            for rows in _spans(height, self.tile_side, self.overlap)
            for columns in _spans(width, self.tile_side, self.overlap)
        ]
        return [tile for tile in tiles if need[tile].any()]

    def _run_tile(self, inputs: dict[str, Batch], rows: slice, columns: slice) -> dict[str, Batch]:
        """Run the network on one tile, padded to what it takes, and cut the padding off again."""
        height, width = rows.stop - rows.start, columns.stop - columns.start
        padded = height + -height % self.size_multiple, width + -width % self.size_multiple
        cut = {}
        for name, batch in inputs.items():
            step = 2 if name.endswith("chroma") else 1
            part = batch[:, :, _half(rows), _half(columns)] if step == 2 else batch[:, :, rows, columns]
            below, right = padded[0] // step - part.shape[2], padded[1] // step - part.shape[3]
            cut[name] = np.pad(part, ((0, 0), (0, 0), (0, below), (0, right)), mode="edge")
        result = self.run(cut)
        return {
            "filled_luma": result["filled_luma"][:, :, :height, :width],
            "filled_chroma": result["filled_chroma"][:, :, : -(-height // 2), : -(-width // 2)],
        }


def open_learned_fill(name: str, device: Device = Device.CPU, threads: int | None = None) -> LearnedFill:
    """Return the filler called ``name``: one of the catalogue's, or the path of a user's own network (.onnx).

    On a CPU it runs on so many ``threads``, by default on all cores.

    Raises:
        InvalidRequestError: when there is none of that name, or the file holds no network that fills.
        ModelError: when an installed network cannot be opened.
    """
    if name.endswith(".onnx"):
        session = open_file(Path(name), device, threads)
        return LearnedFill(Path(name).name, _runner(session, Path(name), device), check_filler(session))
    known = learned_fill_names()
    if name not in known:
        allowed = ", ".join((*known, "a path that ends in .onnx"))
        raise InvalidRequestError(f"there is no learned fill called {name}; there are: {allowed}", allowed=allowed)
    card = find_model(name)
    run = _runner(open_session(name, device, threads), verified_path(name), device)
    return LearnedFill(name, run, int(card.facts["size_multiple"]))


def _runner(session: Session, path: Path, device: Device) -> Run:
    """Return how tiles go through a network: on a GPU in half precision, with memory bound."""
    if not device.is_gpu:
        return session.run_named
    # Only an image for GPUs has what converts a network.
    from gpu_worker.inference.half_precision import with_half_body  # noqa: PLC0415

    half = Session(open_inner(with_half_body(path.read_bytes()), Device.CUDA))
    return partial(half.run_bound, memory=device.memory)


def learned_fill_of(quality: Quality, cards: tuple[ModelCard, ...] | None = None) -> str | None:
    """Return the best filler that is meant for a quality, None without one: its card says from which one on.

    ``cards`` are those of the catalogue where none are given.
    """
    ranks = list(Quality)
    for card in list_models() if cards is None else cards:
        if card.task == TASK and ranks.index(Quality(str(card.facts["from_quality"]))) <= ranks.index(quality):
            return card.name
    return None


def learned_fill_names() -> tuple[str, ...]:
    """Return the fillers that the catalogue lists, the best one first."""
    return tuple(card.name for card in list_models() if card.task == TASK)


def check_filler(session: Session) -> int:
    """Return what a network's sides must be multiples of, found by trying.

    Raises:
        InvalidRequestError: with the reason why it has not the interface.
    """
    for kind, wanted, has in (("inputs", INPUTS, session.input_names), ("outputs", OUTPUTS, session.output_names)):
        if set(wanted) != set(has):
            raise _refusal(f"its {kind} are {', '.join(sorted(has))}")
    for multiple in _MULTIPLES:
        side = 64 + multiple
        sizes = {name: (2, side // 2) if name.endswith("chroma") else (1, side) for name in INPUTS}
        batch = {name: np.full((1, planes, rows, rows), 0.5, np.float32) for name, (planes, rows) in sizes.items()}
        try:
            result = session.run_named(batch)
        except Exception:  # noqa: BLE001, S112 - a network says in its own way that it does not take a size
            continue
        shapes = {name: result[name].shape for name in OUTPUTS}
        if shapes != {"filled_luma": (1, 1, side, side), "filled_chroma": (1, 2, side // 2, side // 2)}:
            raise _refusal(f"it makes {shapes} of {side}x{side}")
        if not all(np.isfinite(result[name]).all() for name in OUTPUTS):
            raise _refusal("it makes something else than numbers of a grey picture")
        return multiple
    raise _refusal(f"it takes none of the sizes that were tried, up to a multiple of {_MULTIPLES[-1]} pixels")


def _refusal(reason: str) -> InvalidRequestError:
    allowed = f"a network with the inputs {', '.join(INPUTS)} and the outputs {', '.join(OUTPUTS)}"
    return InvalidRequestError(f"the network cannot be used for filling: {reason}", allowed=allowed)


def _inputs(filled: Filled, previous: Surroundings | None, motion: PairMotion | None) -> dict[str, Batch]:
    here = filled.surroundings
    white = np.float32((1 << here.bit_depth) - 1)
    confidence = np.ones(here.y.shape, np.float32)
    confidence.reshape(-1)[here.occlusion.indices] = np.where(here.occlusion.covered, filled.confidence, 1)
    known = np.zeros(here.y.shape, np.float32)
    before = [np.zeros(plane.shape, np.float32) for plane in here.planes]
    if previous is not None and motion is not None:
        flow = _dense(motion, *here.y.shape)
        inside = _moved((~previous.occlusion.mask).astype(np.float32), flow)
        known = np.where(inside > 1 - 1e-3, np.float32(1), np.float32(0))
        half = np.asarray(flow[::2, ::2] / 2, dtype=np.float32)
        chroma_known = known[::2, ::2]
        before = [
            _moved(previous.y.astype(np.float32) / white, flow) * known,
            *(_moved(plane.astype(np.float32) / white, half) * chroma_known for plane in (previous.u, previous.v)),
        ]
    luma, u, v = (plane.astype(np.float32) / white for plane in here.planes)
    return {
        "luma": luma[None, None],
        "chroma": np.stack((u, v))[None],
        "confidence": confidence[None, None],
        "mask": here.occlusion.mask.astype(np.float32)[None, None],
        "previous_luma": before[0][None, None],
        "previous_chroma": np.stack(before[1:])[None],
        "previous_known": known[None, None],
    }


def _dense(motion: PairMotion, height: int, width: int) -> Batch:
    """Return the displacement (height, width, 2) to the frame before."""
    blocks = motion.backward.astype(np.float32)
    return np.repeat(np.repeat(blocks, motion.step, axis=0), motion.step, axis=1)[:height, :width]


def _moved(plane: Batch, flow: Batch) -> Batch:
    """Return the plane sampled at each pixel's displacement; 0 outside."""
    height, width = plane.shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(plane, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderValue=0)
    return np.asarray(moved, dtype=np.float32)


def _mixed(plane: Plane, painted: Batch, need: Batch, bit_depth: int) -> Plane:
    white = (1 << bit_depth) - 1
    mixed = plane * (1 - need) + np.clip(painted, 0, 1) * white * need
    result = plane.copy()
    np.copyto(result, np.rint(mixed), where=need > 0, casting="unsafe")
    return result


def _spans(length: int, side: int, overlap: int) -> list[slice]:
    """Return even-started spans of at most ``side`` that share ``overlap`` with their neighbours and cover a length."""
    if length <= side:
        return [slice(0, length)]
    count = -(-(length - overlap) // (side - overlap))
    starts = [round(number * (length - side) / (count - 1)) // 2 * 2 for number in range(count)]
    return [slice(start, min(length, start + side + (length - side) % 2)) for start in starts]


def _ramp(rows: slice, columns: slice, shape: tuple[int, ...], overlap: int) -> Batch:
    """Return a tile's weights: 1 inside, falling towards edges that are not the picture's own."""
    sides = []
    for span, length in zip((rows, columns), shape, strict=True):
        place = np.arange(span.stop - span.start, dtype=np.float32)
        rise = (place + 1) / (overlap + 1) if span.start > 0 else np.ones_like(place)
        fall = (place[::-1] + 1) / (overlap + 1) if span.stop < length else np.ones_like(place)
        sides.append(np.minimum(1, np.minimum(rise, fall)))
    return np.asarray(np.outer(*sides), dtype=np.float32)


def _half(span: slice) -> slice:
    return slice(span.start // 2, (span.stop + 1) // 2)
