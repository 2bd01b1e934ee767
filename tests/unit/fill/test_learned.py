"""Premium's learned fill, with tiny networks made on the spot: what it may change, tiles, time, a user's own file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from domain.detection import Shot
from domain.errors import InvalidRequestError
from domain.job import Quality
from gpu_worker.fill.chunk import Filled, Surroundings
from gpu_worker.fill.eraser import erase
from gpu_worker.fill.filler_interface import INPUTS
from gpu_worker.fill.learned import LearnedFill, check_filler, learned_fill_names, open_learned_fill
from gpu_worker.fill.motion import Affine, PairMotion
from gpu_worker.fill.overlays import overlays_of
from gpu_worker.fill.windows import Occlusion
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
    mask = a_mask()
    known = prior(np.zeros_like(mask), 0.0, seed=3).surroundings
    results = filler.repaint_run([prior(mask, 0.0, seed=n) for n in range(3)], [still(*mask.shape)] * 3, known)
    for result in results:
        assert np.array_equal(result.surroundings.y[mask], known.y[mask])
    (alone,) = filler.repaint_run([prior(mask, 0.0)], [None], None)
    assert (alone.surroundings.y[mask] == round(PAINT * 255)).all()


@pytest.fixture(scope="module")
def never_revealed():
    """A caption that stands over a still picture from the first frame to the last."""
    clean = moving(8, 0.0)
    frames, opacities = with_captions(clean, (Drawn("There all the time", 0, 8),))
    return frames, event_of(opacities, 0, 8)


def _erased(frames, event, quality, learned) -> list[Frame]:
    walls = (Shot(start_frame=0, end_frame=len(frames), start_pts=0),)
    return [apply_patches(*pair) for pair in erase(frames, overlays_of((event,)), walls, quality, learned=learned)]


def test_premium_uses_the_network_and_normal_does_not(never_revealed) -> None:
    frames, event = never_revealed
    mask = mask_in(event, frames[0])
    with_network = _erased(frames, event, Quality.PREMIUM, grey_painter(tile_side=64))
    for frame, result in zip(frames, with_network, strict=True):
        assert (result.y[mask] == round(PAINT * 255)).all()
        assert np.array_equal(result.y[~mask], frame.y[~mask])
    plain = _erased(frames, event, Quality.NORMAL, None)
    for one, other in zip(plain, _erased(frames, event, Quality.NORMAL, grey_painter()), strict=True):
        assert np.array_equal(one.y, other.y)


def test_true_pixels_are_left_to_propagation() -> None:
    clean = moving(24, 0.0)
    frames, opacities = with_captions(clean, (Drawn("Comes and goes", 6, 18),))
    event = event_of(opacities, 6, 18)
    plain = _erased(frames, event, Quality.PREMIUM, None)
    painted = _erased(frames, event, Quality.PREMIUM, grey_painter())
    assert all(np.array_equal(one.y, other.y) for one, other in zip(plain, painted, strict=True))


def test_the_catalogue_lists_no_filler_yet_and_says_what_there_is() -> None:
    assert learned_fill_names() == ()
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
