"""A network's pictures: tiles are seamless, what stands still is not computed again, tiles shrink to fit memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from domain.errors import InvalidRequestError
from gpu_worker.inference.session import DeviceMemoryError, open_file
from gpu_worker.upscaling.network import NetworkFacts, NetworkUpscaler
from gpu_worker.upscaling.network_check import check_network
from gpu_worker.upscaling.tiles import plan_tiles
from gpu_worker.upscaling.upscaler import open_upscaler
from gpu_worker.video.rect import Rect
from tests.unit.upscaling.networks import write_doubler


class Counting:
    """Runs a network and counts the pixels that go through it; refuses more than ``limit`` at once."""

    def __init__(self, session, limit=1 << 30):
        self._session = session
        self._limit = limit
        self.pixels = 0
        self.refused = 0

    def __call__(self, batch):
        if batch.size > self._limit:
            self.refused += 1
            raise DeviceMemoryError("too large")
        self.pixels += batch.size
        return self._session.run(batch)


def picture(height, width, seed=0, dtype=np.uint8, white=255):
    rng = np.random.default_rng(seed)
    half = ((height + 1) // 2, (width + 1) // 2)
    y = rng.integers(0, white + 1, (height, width)).astype(dtype)
    return y, np.full(half, white // 2, dtype), np.full(half, white // 2, dtype)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return open_file(write_doubler(tmp_path_factory.mktemp("network") / "own.onnx", unshuffle=2))


@pytest.fixture(scope="module")
def facts(session):
    return check_network(session)


def test_the_facts_are_read_off_the_network(session, facts):
    assert facts.size_multiple == 2
    # One convolution over blocks of two pixels: three pixels in any direction at most.
    assert 2 <= facts.reach <= 3


@pytest.mark.parametrize("size", [(60, 88), (61, 87), (33, 130)])
@pytest.mark.parametrize("sample", [(np.uint8, 8, 255), (np.uint16, 10, 1023)], ids=["8 bits", "10 bits"])
def test_tiles_are_seamless(session, facts, size, sample):
    dtype, depth, white = sample
    planes = picture(*size, dtype=dtype, white=white)
    whole = NetworkUpscaler("own", session.run, facts).upscale(planes, depth)
    tiled = NetworkUpscaler("own", session.run, facts, tile_pixels=700).upscale(planes, depth)
    assert whole[0].shape == (2 * size[0], 2 * size[1])
    assert whole[0].dtype == dtype
    for one, other in zip(whole, tiled, strict=True):
        assert np.array_equal(one, other)


def test_all_windows_of_a_picture_have_one_size_so_that_one_plan_does(session, facts):
    sizes = []

    def run(batch):
        sizes.append(batch.shape)
        return session.run(batch)

    upscaler = NetworkUpscaler("own", run, facts, tile_pixels=700, in_parts=False)
    first = picture(61, 87)
    changed = (first[0].copy(), first[1], first[2])
    changed[0][3, 5] ^= 1
    upscaler.upscale(first, 8)
    tiles = len(sizes)
    result = upscaler.upscale(changed, 8)
    assert tiles > 4
    assert len(set(sizes)) == 1
    assert len(sizes) == 2 * tiles
    assert np.array_equal(result[0], NetworkUpscaler("own", session.run, facts).upscale(changed, 8)[0])


def test_too_small_a_reach_would_show_seams(session, facts):
    planes = picture(60, 88)
    whole = NetworkUpscaler("own", session.run, facts).upscale(planes, 8)
    blind = NetworkFacts(facts.size_multiple, 0)
    tiled = NetworkUpscaler("own", session.run, blind, tile_pixels=700).upscale(planes, 8)
    assert not np.array_equal(whole[0], tiled[0])


def test_a_repeated_picture_costs_nothing(session, facts):
    run = Counting(session)
    upscaler = NetworkUpscaler("own", run, facts)
    first = upscaler.upscale(picture(64, 96), 8)
    spent = run.pixels
    again = upscaler.upscale(picture(64, 96), 8)
    assert run.pixels == spent
    assert np.array_equal(first[0], again[0])


def test_only_what_changed_is_computed_and_the_result_is_the_same(session, facts):
    still = picture(200, 300)
    moved = (still[0].copy(), still[1], still[2])
    moved[0][90:110, 40:60] = 7
    fresh = NetworkUpscaler("own", session.run, facts).upscale(moved, 8)
    run = Counting(session)
    upscaler = NetworkUpscaler("own", run, facts)
    before = upscaler.upscale(still, 8)
    kept = before[0].copy()
    spent = run.pixels
    after = upscaler.upscale(moved, 8)
    assert run.pixels - spent < 0.05 * 200 * 300
    assert np.array_equal(after[0], fresh[0])
    assert np.array_equal(before[0], kept)


def test_pictures_that_are_doubled_at_once_come_out_as_one_by_one(session, facts):
    """Repeated, partly changed and wholly changed pictures, each begun before the one before it is done."""
    first = picture(200, 300)
    moved = (first[0].copy(), first[1], first[2])
    moved[0][90:110, 40:60] = 7
    film = [first, first, moved, moved, picture(200, 300, seed=1), first]
    one_by_one = NetworkUpscaler("own", session.run, facts)
    expected = [one_by_one.upscale(planes, 8)[0] for planes in film]
    upscaler = NetworkUpscaler("own", session.run, facts)
    with ThreadPoolExecutor(3) as pool:
        results = [pool.submit(upscaler.begin(planes, 8)) for planes in film]
        for result, wanted in zip(results, expected, strict=True):
            assert np.array_equal(result.result(10)[0], wanted)


def test_a_picture_that_waits_for_one_that_failed_fails_as_well(facts):
    upscaler = NetworkUpscaler("own", Counting(None, limit=10), facts)
    works = [upscaler.begin(picture(64, 64), 8) for _ in range(2)]
    for work in works:
        with pytest.raises(DeviceMemoryError):
            work()


def test_memory_that_runs_out_halves_the_tiles(session, facts):
    planes = picture(400, 500)
    whole = NetworkUpscaler("own", session.run, facts).upscale(planes, 8)
    run = Counting(session, limit=40_000)
    small = NetworkUpscaler("own", run, facts).upscale(planes, 8)
    assert run.refused > 0
    assert np.array_equal(whole[0], small[0])


def test_memory_that_holds_no_tile_is_said(session, facts):
    with pytest.raises(DeviceMemoryError):
        NetworkUpscaler("own", Counting(session, limit=10), facts).upscale(picture(64, 64), 8)


def test_tiles_cover_once():
    seen = np.zeros((73, 119), int)
    for tile in plan_tiles(Rect(3, 5, 119, 73), 400):
        seen[tile.slices] += 1
    assert (seen[5:, 3:] == 1).all()
    assert seen[:5].sum() == seen[:, :3].sum() == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"enlarges": 3}, "not twice the size"),
        ({"gain": 3.0}, "comes out wrong"),
        ({"side": 64}, "dynamic height and width"),
        ({"channels": 3}, r"not \(N, 1, H, W\)"),
    ],
)
def test_a_network_that_is_no_doubler_is_refused_with_the_reason(tmp_path, changes, reason):
    path = write_doubler(tmp_path / "own.onnx", **changes)
    with pytest.raises(InvalidRequestError, match=reason):
        open_upscaler(str(path))


def test_a_file_that_is_no_network_is_refused(tmp_path):
    path = tmp_path / "own.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(InvalidRequestError, match="no network"):
        open_upscaler(str(path))
    with pytest.raises(InvalidRequestError, match="no file"):
        open_upscaler(str(tmp_path / "gone.onnx"))
    with path.open("r+b") as file:
        file.truncate(501_000_000)  # a hole: it takes no room on the disk
    with pytest.raises(InvalidRequestError, match="has 501 MB"):
        open_upscaler(str(path))


def test_a_users_own_network_doubles(tmp_path):
    path = write_doubler(tmp_path / "own.onnx", ring=0.0)
    upscaler = open_upscaler(str(path))
    y, _, _ = upscaler.upscale(picture(40, 50), 8)
    assert upscaler.name == "own.onnx"
    assert np.array_equal(y, np.repeat(np.repeat(picture(40, 50)[0], 2, 0), 2, 1))
