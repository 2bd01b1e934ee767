"""A job that names a registered network: it is fetched as the source is, checked, used, and named in the result."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.errors import InvalidRequestError
from domain.job import ObjectRef, UpscaleSettings
from domain.work_order import ResultManifest
from gpu_worker.stages.pipeline import run_all
from tests.unit.upscaling.networks import write_doubler

UPSCALE = UpscaleSettings(model="own", bitrate_mbps=2)


@pytest.fixture
def job_with(rendered, run_job):
    """Return a job whose order names the network at a path."""

    def make(network):
        job = run_job.job(rendered(frames=4, width=64, height=48, shots=(), audio=()), upscale=UPSCALE)
        order = job.order.model_copy(update={"upscale_model": ObjectRef(bucket="", key=str(network))})
        return replace(job, order=order)

    return make


def test_the_network_of_the_work_order_doubles(job_with, tmp_path):
    job = job_with(write_doubler(tmp_path / "own.onnx"))
    run_all(job)
    manifest = ResultManifest.model_validate_json(job.workspace.read(job.workspace.keys.result_manifest))
    assert (manifest.upscaler, manifest.width, manifest.height) == ("own.onnx", 128, 96)


def test_a_network_that_does_not_double_fails_the_job_with_the_reason(job_with, tmp_path):
    with pytest.raises(InvalidRequestError, match="not twice the size"):
        run_all(job_with(write_doubler(tmp_path / "own.onnx", enlarges=3)))
