"""The networks of our own: the catalogue tells the truth about them, and they beat interpolation where it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domain.errors import InvalidRequestError
from gpu_worker.inference.model_store import list_models
from gpu_worker.inference.session import Device, DeviceUnavailableError, available_devices, open_session
from gpu_worker.training.doubling.benchmark import benchmark_pair, psnr
from gpu_worker.training.resize import resize_bicubic
from gpu_worker.upscaling.network_check import check_network
from gpu_worker.upscaling.upscaler import AUTOMATIC, open_upscaler, upscaler_names

_TIERS = [card for card in list_models() if card.task == "upscaling"]
_SET5 = Path(__file__).parents[4] / "shared" / "data" / "sr" / "Set5_HR"


@pytest.mark.parametrize("card", _TIERS, ids=lambda card: card.name)
def test_the_facts_of_the_catalogue_are_those_of_the_network(card):
    measured = check_network(open_session(card.name))
    assert measured.size_multiple == card.facts["size_multiple"]
    # A pixel a layer by construction; in a deep network what the outer half adds is too little to be seen.
    assert measured.reach <= card.facts["reach"] <= 2 * measured.reach


def test_every_tier_can_be_asked_for():
    assert {card.name for card in _TIERS} == {f"upscale-{name}" for name in set(upscaler_names()) - {"auto", "lanczos"}}
    assert open_upscaler(AUTOMATIC).name in upscaler_names()


def test_a_tier_that_is_not_installed_is_refused_with_those_that_are():
    with pytest.raises(InvalidRequestError, match="there is no upscaler called grand; there are: auto, fast"):
        open_upscaler("grand")


@pytest.mark.skipif(Device.CUDA in available_devices(), reason="this onnxruntime was built with CUDA")
@pytest.mark.parametrize("name", [AUTOMATIC, "fast"])
def test_a_gpu_that_is_asked_for_and_not_there_is_no_reason_to_use_the_cpu(name):
    with pytest.raises(DeviceUnavailableError):
        open_upscaler(name, Device.CUDA)


@pytest.mark.skipif(not _SET5.is_dir(), reason="the benchmark pictures of ../shared are not there")
def test_the_clean_tier_is_worth_its_time():
    upscaler = open_upscaler("fast-clean")
    gains = []
    for path in sorted(_SET5.glob("*.png")):
        large, small = benchmark_pair(path)
        y = np.rint(small * 4).astype(np.uint16)
        grey = np.zeros(((y.shape[0] + 1) // 2, (y.shape[1] + 1) // 2), np.uint16)
        doubled = upscaler.upscale((y, grey, grey), 10)[0] / 4
        gains.append(psnr(doubled, large) - psnr(resize_bicubic(small, 2), large))
    assert len(gains) == 5
    # The published FSRCNN gains 3.3 dB on Set5.
    assert np.mean(gains) > 3.0
