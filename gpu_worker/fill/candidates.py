"""What other frames bring to covered pixels, and how much of it is believed beside its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.windows import Points

#: Weights are shared with neighbours this far around, in pixels, and raised by no more than this factor.
_EVENED_SIDE = 9
_MOST_RAISED = 3.0

FloatPlane = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """What one direction brings to one plane: values and the weight of each, for the plane's points."""

    values: FloatPlane
    weights: FloatPlane


def evened(weights: FloatPlane, points: Points) -> FloatPlane:
    """Return the luma points' weights, shared with those of covered neighbours that have a source.

    Splinters of one frame in another show more than the mean of both. What lies beside the mask does not take part: it
    is sure of its source, and would vouch for whatever stands at the mask's edge.
    """
    told = (weights > 0) & points.covered
    even = weights.copy()
    even[told] = np.minimum(_mean_near(weights, told, points), _MOST_RAISED * weights[told])
    return even


def _mean_near(values: FloatPlane, told: NDArray[np.bool_], points: Points) -> FloatPlane:
    """Return, for those luma points that are ``told``, the mean value of those that are near each."""
    place = points.flat[told]
    means = []
    for of_points in (values[told], np.float32(1)):
        layer = np.zeros(points.mask.shape, np.float32)
        layer.reshape(-1)[place] = of_points
        means.append(cv2.blur(layer, (_EVENED_SIDE, _EVENED_SIDE)).reshape(-1)[place])
    total, count = means
    return np.asarray(total / count, dtype=np.float32)
