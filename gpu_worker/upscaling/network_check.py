"""Finds out by trying what a network does, so that a user's own is never taken at its word."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.errors import InvalidRequestError
from gpu_worker.inference.session import Session
from gpu_worker.upscaling.network import NetworkFacts

_SIDE = 64
_MULTIPLES = (1, 2, 4, 8, 16, 32)
#: A network that looks further could not be cut into tiles that fit.
_MAX_REACH = 96
#: A change of the result below this, of 1, is rounding.
_CHANGE = 1e-5
#: A doubled ramp that is further off than this, on average, is no picture: another range of values, or another task.
_MAX_ERROR = 0.08

Batch = NDArray[np.float32]


def check_network(session: Session) -> NetworkFacts:
    """Return what must be known of a network to cut pictures for it.

    Raises:
        InvalidRequestError: with the reason why it does not double luma: 0-1, (N, 1, H, W) to (N, 1, 2H, 2W).
    """
    _check_interface(session)
    multiple = _size_multiple(session)
    ramp = np.linspace(0.2, 0.8, _SIDE, dtype=np.float32)
    doubled = _doubled(session, np.broadcast_to(ramp, (_SIDE, _SIDE)))
    error = float(np.abs(doubled - np.repeat(ramp, 2)[None, :]).mean())
    if not np.isfinite(error) or error > _MAX_ERROR:
        raise _refusal(f"a grey ramp of 0.2 to 0.8 comes out wrong by {error:.2f} on average")
    return NetworkFacts(size_multiple=multiple, reach=_reach(session, multiple))


def _check_interface(session: Session) -> None:
    if not session.is_simple:
        raise _refusal("it has not exactly one input and one output")
    if session.input_type != "tensor(float)":
        raise _refusal(f"its input is {session.input_type}, not float32")
    shape = session.input_shape
    if len(shape) != 4 or shape[1] not in (1, None):
        raise _refusal(f"its input has the shape {shape}, not (N, 1, H, W)")
    if any(isinstance(side, int) for side in shape[2:]):
        raise _refusal(f"it takes one size only, {shape[3]}x{shape[2]}: export it with dynamic height and width")


def _size_multiple(session: Session) -> int:
    made = ""
    for multiple in _MULTIPLES:
        side = _SIDE + multiple
        try:
            result = session.run(np.zeros((1, 1, side, side), np.float32))
        except Exception:  # noqa: BLE001, S112 - a network says in its own way that it does not take a size
            continue
        if result.shape == (1, 1, 2 * side, 2 * side):
            return multiple
        made = f"it makes {result.shape} of {(1, 1, side, side)}, not twice the size"
    if made:
        raise _refusal(made)
    raise _refusal(f"it takes none of the sizes that were tried, up to a multiple of {_MULTIPLES[-1]} pixels")


def _reach(session: Session, multiple: int) -> int:
    """Return how far away the result changes when pixels change, whatever their place in an unshuffled block."""
    side = 2 * (_MAX_REACH + _SIDE) // multiple * multiple
    picture = np.random.default_rng(1).random((side, side)).astype(np.float32)
    start, block = side // 2 // multiple * multiple, max(2, multiple)
    other = picture.copy()
    other[start : start + block, start : start + block] = 1 - other[start : start + block, start : start + block]
    changed = np.abs(_doubled(session, other) - _doubled(session, picture)) > _CHANGE
    rows, columns = np.nonzero(changed)
    first, last = int(min(rows.min(), columns.min())), int(max(rows.max(), columns.max()))
    reach = max(start - first // 2, last // 2 - (start + block - 1))
    if reach > _MAX_REACH:
        raise _refusal(f"each pixel changes others more than {_MAX_REACH} pixels away: it cannot be run in tiles")
    return max(0, reach)


def _doubled(session: Session, luma: Batch) -> Batch:
    doubled: Batch = session.run(np.ascontiguousarray(luma, dtype=np.float32)[None, None])[0, 0]
    return doubled


def _refusal(reason: str) -> InvalidRequestError:
    allowed = "a network that takes luma of 0-1, float32 (N, 1, H, W), and returns (N, 1, 2H, 2W)"
    return InvalidRequestError(f"the network cannot be used: {reason}", allowed=allowed)
