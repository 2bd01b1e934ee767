"""The catalogue of networks, and opening one."""

import hashlib

import numpy as np
import pytest

from gpu_worker.inference.model_store import (
    DamagedModelError,
    MissingModelError,
    ModelCard,
    UnknownModelError,
    find_model,
    list_models,
    locate,
    verified_path,
)
from gpu_worker.inference.session import Device, DeviceUnavailableError, available_devices, open_session


def catalogue_with(folder, **changes):
    entry = {
        "name": "tiny",
        "task": "test",
        "package": "rapidocr",
        "path": "models/PP-OCRv6_det_small.onnx",
        "sha256": find_model("ppocr-v6-det-small").sha256,
        "licence": "Apache-2.0",
        "source": "here",
    } | changes
    path = folder / "models.toml"
    path.write_text("[[model]]\n" + "\n".join(f'{key} = "{value}"' for key, value in entry.items()))
    return path


def test_every_listed_model_is_installed_and_genuine():
    assert {card.name for card in list_models()} >= {"ppocr-v6-det-small", "ppocr-v6-rec-small"}
    for card in list_models():
        assert hashlib.sha256(locate(card).read_bytes()).hexdigest() == card.sha256
        assert card.licence


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UnknownModelError, match="ppocr-v6-det-small"):
        find_model("nonsense")


def test_a_file_that_differs_from_the_catalogue_is_refused(tmp_path):
    with pytest.raises(DamagedModelError, match="tiny"):
        verified_path("tiny", catalogue_with(tmp_path, sha256="0" * 64))


@pytest.mark.parametrize("changes", [{"package": "no_such_package"}, {"path": "models/gone.onnx"}])
def test_a_file_that_is_not_installed_is_named(tmp_path, changes):
    with pytest.raises(MissingModelError, match="tiny"):
        verified_path("tiny", catalogue_with(tmp_path, **changes))


def test_weights_of_our_own_lie_in_the_workers_folder():
    card = ModelCard(name="own", task="t", path="nothing.onnx", sha256="", licence="", source="")
    with pytest.raises(MissingModelError, match=r"models: nothing\.onnx"):
        locate(card)


def test_a_session_runs_and_says_where():
    session = open_session("ppocr-v6-det-small", threads=1)
    assert session.provider == "CPUExecutionProvider"
    output = session.run(np.zeros((1, 3, 32, 64), np.float32))
    assert output.shape == (1, 1, 32, 64)
    assert output.max() < 0.3


def test_the_recogniser_carries_its_characters():
    assert "我" in open_session("ppocr-v6-rec-small").metadata["character"]


@pytest.mark.skipif(Device.CUDA in available_devices(), reason="this onnxruntime was built with CUDA")
def test_cuda_that_is_not_there_fails_loudly():
    with pytest.raises(DeviceUnavailableError, match="onnxruntime-gpu"):
        open_session("ppocr-v6-det-small", Device.CUDA)
