"""What other frames bring to covered pixels, and how much of it is believed beside its neighbours and its rivals."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.windows import Points

#: Weights are shared with neighbours this far around, in pixels, and raised by no more than this factor.
_EVENED_SIDE = 9
_MOST_RAISED = 3.0
#: So many directions tell which of them is wrong. How far each is off is taken over so many pixels, and so often.
_ENOUGH_TO_AGREE = 3
_AGREEING_SIDE = 5
_AGREEING_ROUNDS = 2

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
    even[told] = np.minimum(_mean_near(weights, told, points, _EVENED_SIDE), _MOST_RAISED * weights[told])
    return even


def agreeing(samples: list[Samples], points: Points, levels_per_step: float) -> list[Samples]:
    """Return what several directions bring to luma, each believed less where it is off the mean of all.

    What counts is by how much more than its weight, an inverse variance, has it (least squares, reweighted by Cauchy's
    function). Two that contradict each other do not tell which of them is wrong.
    """
    if sum(bool((sample.weights > 0).any()) for sample in samples) < _ENOUGH_TO_AGREE:
        return samples
    believed = samples
    for _ in range(_AGREEING_ROUNDS):
        total = np.sum([each.weights for each in believed], axis=0)
        mean = np.sum([each.weights * each.values for each in believed], axis=0) / np.maximum(total, 1e-9)
        rivals = []
        for sample in samples:
            told = sample.weights > 0
            weights = sample.weights.copy()
            off = _mean_near(np.square((sample.values - mean) / levels_per_step), told, points, _AGREEING_SIDE)
            weights[told] /= 1 + off * np.minimum(weights[told], 1)
            rivals.append(Samples(sample.values, weights))
        believed = rivals
    return believed


def _mean_near(values: FloatPlane, told: NDArray[np.bool_], points: Points, side: int) -> FloatPlane:
    """Return, for those luma points that are ``told``, the mean value of those that are within a square around each."""
    place = points.flat[told]
    means = []
    for of_points in (values[told], np.float32(1)):
        layer = np.zeros(points.mask.shape, np.float32)
        layer.reshape(-1)[place] = of_points
        means.append(cv2.blur(layer, (side, side)).reshape(-1)[place])
    total, count = means
    return np.asarray(total / count, dtype=np.float32)
