"""The learned fill, with tiny networks made on the spot: what it may change, tiles, time, a user's own file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from domain.detection import Shot
from domain.errors import InvalidRequestError
from domain.job import Quality
from gpu_worker.fill.chunk import Filled, Surroundings
from gpu_worker.fill.eraser import EraseReport, erase
from gpu_worker.fill.filler_interface import INPUTS
from gpu_worker.fill.held import Inventor, hold_run
from gpu_worker.fill.learned import LearnedFill, check_filler, learned_fill_of, open_learned_fill
from gpu_worker.fill.motion import Affine, PairMotion
from gpu_worker.fill.overlays import overlays_of
from gpu_worker.fill.structure import Continued, continued
from gpu_worker.fill.windows import Occlusion
from gpu_worker.inference.model_store import ModelCard
from gpu_worker.inference.session import open_file
from gpu_worker.video.frame import Frame
from gpu_worker.video.patches import apply_patches
from tests.unit.captions.drawn import Drawn, moving, with_captions
from tests.unit.fill.test_eraser import event_of, mask_in

PAINT = 0.25


def write_filler(path: Path, *, drop: str = "", finite: bool = True, halve: bool = False) -> Path:
    """Write a network that goes on with the frame before where that is known, and paints grey elsewhere."""
    grey = np.float32(PAINT if finite else np.inf)
    nodes = [
        helper.make_node("Sub", ["one", "previous_known"], ["unknown"]),
        helper.make_node("Mul", ["unknown", "grey"], ["painted"]),
        helper.make_node("Add", ["painted", "previous_luma"], ["whole"]),
        helper.make_node("AveragePool", ["whole"], ["halved"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Identity", ["halved" if halve else "whole"], ["filled_luma"]),
        helper.make_node("Mul", ["chroma", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "grey"], ["filled_chroma"]),
        # Every declared input is used, or onnxruntime would drop it.
        helper.make_node("Sum", ["luma", "confidence", "mask"], ["ignored"]),
        helper.make_node("AveragePool", ["previous_chroma"], ["ignored_chroma"], kernel_shape=[1, 1]),
    ]
    inputs = [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, [1, 2, "hh", "hw"] if name.endswith("chroma") else [1, 1, "h", "w"]
        )
        for name in INPUTS
        if name != drop
    ]
    if drop:
        nodes = [node for node in nodes if drop not in node.input]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("filled_luma", "filled_chroma")
    ]
    constants = {"one": np.float32(1), "zero": np.float32(0), "grey": grey}
    graph = helper.make_graph(
        nodes, "filler", inputs, outputs, [numpy_helper.from_array(np.array(v), name) for name, v in constants.items()]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def grey_painter(**options) -> LearnedFill:
    """A filler without a network, whose whole output is one grey."""

    def run(batch):
        return {"filled_luma": np.full_like(batch["luma"], PAINT), "filled_chroma": np.full_like(batch["chroma"], 0.5)}

    return LearnedFill("grey", run, 2, **options)


def prior(mask, confidence, bit_depth=8, seed=0) -> Filled:
    chance = np.random.default_rng(seed)
    height, width = mask.shape
    dtype, white = (np.uint8, 255) if bit_depth == 8 else (np.uint16, 1023)
    planes = [
        chance.integers(0, white, size, dtype, endpoint=True)
        for size in ((height, width), *((((height + 1) // 2, (width + 1) // 2),) * 2))
    ]
    occlusion = Occlusion(mask)
    trust = np.full(occlusion.indices.size, confidence, np.float32)
    return Filled(Surroundings(*planes, bit_depth, occlusion), ~mask, trust)


def a_mask(height=60, width=90):
    mask = np.zeros((height, width), dtype=bool)
    mask[20:40, 30:70] = True
    return mask


def still(height, width, across=0.0) -> PairMotion:
    displacement = np.zeros((height, width, 2), np.float16)
    displacement[..., 0] = across
    rest = Affine(np.zeros((3, 2), np.float32))
    return PairMotion(displacement, -displacement, rest, rest, 1)


def test_only_what_is_covered_and_not_trusted_is_repainted() -> None:
    mask = a_mask()
    given = prior(mask, 0.0)
    after = grey_painter().repaint(given, None, None).surroundings
    before = given.surroundings
    assert (after.y[mask] == round(PAINT * 255)).all()
    assert np.array_equal(after.y[~mask], before.y[~mask])
    chroma = before.occlusion.chroma_mask
    assert (after.u[chroma] == 128).all()
    assert np.array_equal(after.u[~chroma], before.u[~chroma])
    assert np.array_equal(after.v[~chroma], before.v[~chroma])


@pytest.mark.parametrize(("confidence", "share"), [(0.25, 0.5), (0.5, 0.0), (0.9, 0.0)])
def test_the_network_takes_over_by_degrees_as_confidence_falls(confidence, share) -> None:
    mask = a_mask()
    given = prior(mask, confidence)
    after = grey_painter().repaint(given, None, None).surroundings.y
    expected = given.surroundings.y * (1 - share) + PAINT * 255 * share
    assert np.abs(after[mask] - expected[mask]).max() <= 0.51


@pytest.mark.parametrize("bit_depth", [8, 10])
@pytest.mark.parametrize("size", [(61, 91), (60, 90), (33, 200)])
def test_tiles_leave_no_seam(size, bit_depth) -> None:
    """A filler that returns its input, in tiles of any size, gives the prior back to the last bit."""
    mask = np.zeros(size, dtype=bool)
    mask[4:-4, 4:-4] = True
    given = prior(mask, 0.0, bit_depth)
    seen = []

    def run(batch):
        seen.append(batch["luma"].shape)
        return {"filled_luma": batch["luma"], "filled_chroma": batch["chroma"]}

    after = LearnedFill("echo", run, 8, tile_side=32, overlap=8).repaint(given, None, None).surroundings
    assert len(seen) > 3
    assert all(height % 8 == width % 8 == 0 for _, _, height, width in seen)
    assert max(max(shape[2:]) for shape in seen) <= 40
    for new, old in zip(after.planes, given.surroundings.planes, strict=True):
        assert np.array_equal(new, old)


def test_tiles_without_work_are_not_run() -> None:
    mask = np.zeros((64, 640), dtype=bool)
    mask[20:40, 600:620] = True
    runs = 0

    def run(batch):
        nonlocal runs
        runs += 1
        return {"filled_luma": batch["luma"], "filled_chroma": batch["chroma"]}

    LearnedFill("echo", run, 2, tile_side=64, overlap=16).repaint(prior(mask, 0.0), None, None)
    assert runs <= 2


def test_the_frame_before_comes_along_the_motion() -> None:
    mask = a_mask()
    given, before = prior(mask, 0.0), prior(np.zeros_like(mask), 0.0, seed=1).surroundings
    seen = {}

    def run(batch):
        seen.update(batch)
        return {"filled_luma": batch["luma"], "filled_chroma": batch["chroma"]}

    LearnedFill("echo", run, 2).repaint(given, before, still(*mask.shape, across=4.0))
    inside = (slice(0, 60), slice(0, 85))
    assert (seen["previous_known"][0, 0][inside] == 1).all()
    expected = np.roll(before.y, -4, axis=1)[inside] / 255
    assert np.allclose(seen["previous_luma"][0, 0][inside], expected, atol=1e-4)
    assert np.allclose(seen["previous_chroma"][0, 0][:, :40], np.roll(before.u, -2, axis=1)[:, :40] / 255, atol=1e-4)
    assert (seen["previous_known"][0, 0][:, -4:] == 0).all(), "what lies outside is not known"


def test_each_frame_goes_on_from_the_one_before(tmp_path) -> None:
    filler = open_learned_fill(str(write_filler(tmp_path / "own.onnx")))
    assert (filler.name, filler.size_multiple) == ("own.onnx", 2)
    mask = np.zeros((60, 90), dtype=bool)
    mask[20:24, 30:70] = True
    known = prior(np.zeros_like(mask), 0.0, seed=3).surroundings
    inventor = Inventor(continued, filler.repaint)
    rest = [still(*mask.shape)] * 3
    results, _ = hold_run([prior(mask, 0.0, seed=n) for n in range(3)], 5, rest, (None, known), inventor)
    for result in results:
        assert np.array_equal(result.surroundings.y[mask], known.y[mask]), "a narrow hole is painted in each frame"
    (alone,), _ = hold_run([prior(mask, 0.0)], 5, [None], (None, None), inventor)
    assert (alone.surroundings.y[mask] == round(PAINT * 255)).all()


def test_what_is_held_is_painted_once_and_anew_only_where_it_gives_way() -> None:
    mask = a_mask(120, 180)
    frame = prior(mask, 0.0)
    other = prior(mask, 0.0, seed=7)
    runs = []

    def paint(filled, previous, motion):
        runs.append(previous)
        return grey_painter().repaint(filled, previous, motion)

    inventor = Inventor(lambda here, hole: Continued(here, painted=True), paint)
    rest = [None, *[still(*mask.shape)] * 3]
    results, held = hold_run([frame, frame, frame, other], 0, rest, (None, None), inventor)
    assert len(runs) == 1, "the last frame shows something else: only there"
    for result in results[:3]:
        assert np.array_equal(result.surroundings.y, frame.surroundings.y)
        assert np.array_equal(result.painted, mask)
    assert (results[3].surroundings.y[mask] == round(PAINT * 255)).all()
    assert held.frame_index == 3


@pytest.fixture(scope="module")
def never_revealed():
    """A caption that stands over a still picture from the first frame to the last."""
    clean = moving(8, 0.0)
    frames, opacities = with_captions(clean, (Drawn("There all the time", 0, 8),))
    return frames, clean, event_of(opacities, 0, 8)


def _erased(frames, event, quality, learned, **options) -> list[Frame]:
    walls = (Shot(start_frame=0, end_frame=len(frames), start_pts=0),)
    pairs = erase(frames, overlays_of((event,)), walls, quality, learned=learned, **options)
    return [apply_patches(*pair) for pair in pairs]


def knowing(clean: Frame) -> LearnedFill:
    """A filler that knows what is behind the caption of a picture that stands still, given where it is asked."""

    whole = clean.y.astype(np.float32) / 255

    def run(batch):
        luma = batch["luma"][0, 0]
        off = cv2.matchTemplate(whole, luma, cv2.TM_SQDIFF, mask=1 - batch["mask"][0, 0])
        row, column = np.unravel_index(np.argmin(off), off.shape)
        there = whole[row : row + luma.shape[0], column : column + luma.shape[1]]
        return {"filled_luma": there[None, None], "filled_chroma": batch["chroma"]}

    return LearnedFill("knowing", run, 2, tile_side=1024)


@pytest.mark.parametrize("quality", Quality)
def test_both_qualities_ask_the_network_once_about_a_picture_that_stands_still(quality, never_revealed) -> None:
    frames, clean, event = never_revealed
    mask = mask_in(event, frames[0])
    asked = 0
    network = knowing(clean[0])

    def run(batch):
        nonlocal asked
        asked += 1
        return network.run(batch)

    report, told = EraseReport(), []
    results = _erased(
        frames,
        event,
        quality,
        replace(network, run=run),
        report=report,
        tell_made_up=lambda index, _, made_up: told.append((index, made_up.sum())),
    )
    plain = _erased(frames, event, quality, None)
    errors = [
        [
            float(np.square(one.y[mask].astype(float) - true.y[mask]).mean())
            for one, true in zip(each, clean, strict=True)
        ]
        for each in (results, plain)
    ]
    assert max(errors[0]) < min(errors[1]) / 2
    assert asked == 2, "once for the rim, once for the hole"
    assert told == [(index, mask.sum()) for index in range(len(frames))]
    assert report.pixels_painted == report.pixels_masked == len(frames) * mask.sum()


def test_true_pixels_are_left_to_propagation() -> None:
    clean = moving(24, 0.0)
    frames, opacities = with_captions(clean, (Drawn("Comes and goes", 6, 18),))
    event = event_of(opacities, 6, 18)
    plain = _erased(frames, event, Quality.PREMIUM, None)
    painted = _erased(frames, event, Quality.PREMIUM, grey_painter())
    assert all(np.array_equal(one.y, other.y) for one, other in zip(plain, painted, strict=True))


def filler_card(name, from_quality) -> ModelCard:
    facts = {"size_multiple": 16, "from_quality": from_quality}
    return ModelCard(name, "filling", f"{name}.onnx", "", "Apache-2.0", "a test", facts=facts)


@pytest.mark.parametrize(
    ("qualities", "of_normal", "of_premium"),
    [
        ((), None, None),
        (("premium",), None, "fill-0"),
        (("normal",), "fill-0", "fill-0"),
        (("premium", "normal"), "fill-1", "fill-0"),
    ],
)
def test_a_filler_s_card_says_from_which_quality_on_it_is_used(qualities, of_normal, of_premium) -> None:
    cards = tuple(filler_card(f"fill-{number}", quality) for number, quality in enumerate(qualities))
    assert learned_fill_of(Quality.NORMAL, cards) == of_normal
    assert learned_fill_of(Quality.PREMIUM, cards) == of_premium


def test_a_filler_that_is_not_in_the_catalogue_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"no learned fill called best.*\.onnx"):
        open_learned_fill("best")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"drop": "mask"}, "its inputs are"),
        ({"finite": False}, "something else than numbers"),
        ({"halve": True}, "it makes"),
    ],
)
def test_a_network_with_another_interface_is_refused(tmp_path, changes, words) -> None:
    path = write_filler(tmp_path / "own.onnx", **changes)
    with pytest.raises(InvalidRequestError, match=words):
        check_filler(open_file(path))


def test_a_file_that_is_no_network_is_refused(tmp_path) -> None:
    (tmp_path / "text.onnx").write_text("a text")
    with pytest.raises(InvalidRequestError, match="no network"):
        open_learned_fill(str(tmp_path / "text.onnx"))
    with pytest.raises(InvalidRequestError, match="no file"):
        open_learned_fill(str(tmp_path / "gone.onnx"))
