"""GET /v1/models and POST /v1/estimates."""

from __future__ import annotations

import json

import pytest

import describe_work
from domain.catalogue import catalogue
from domain.estimate import EstimateRates, EstimateRequest, estimate
from domain.job import Quality, UpscaleQuality
from domain.usage import Function
from gpu_worker.inference.model_store import list_models

RATES = EstimateRates(
    erase=20, erase_premium=5, upscale=10, upscale_normal=4, upscale_premium=2, price_per_hour=3.6, currency="EUR"
)
HD = {"duration_seconds": 100, "width": 1000, "height": 1000, "frame_rate": 10}  # 1000 megapixels


def test_models_tell_what_they_take(deployment, call, recorded):
    event = recorded("describe_work")
    event["requestContext"]["http"] |= {"method": "GET", "path": "/v1/models"}
    event["rawPath"] = "/v1/models"
    del event["body"]
    for key in ("models/anime-2x.onnx", "models/README.md", "models/Not A Name.onnx", "models/folder/x.onnx"):
        deployment.put(key)
    models = call(describe_work, event).body["models"]
    assert {model["quality"] for model in models if model["function"] == "erase"} == set(Quality)
    assert {model["rpc_model_id"] for model in models} == {"", "algo-video-detext-new", None}
    doublers = [model for model in models if model["function"] == "upscale"]
    assert [model["quality"] for model in doublers] == ["fast", "normal", "premium", None]
    assert [model["model"] for model in doublers] == [None, None, None, "anime-2x"]
    for double in doublers:
        assert "mkv" in double["containers"]
        assert double["picture"] == {"min_side": 360, "max_long_side": 1920, "max_short_side": 1080}


def test_the_qualities_of_a_doubling_are_those_that_the_worker_has_weights_of():
    listed = {card.quality for card in catalogue().models if card.function is Function.UPSCALE}
    installed = {card.name.removeprefix("upscale-") for card in list_models() if card.task == "upscaling"}
    assert listed == installed & set(UpscaleQuality)


@pytest.mark.parametrize(
    ("wanted", "work_seconds", "amount"),
    [
        ({"erase": {}}, 50, 0.05),
        ({"erase": {"quality": "premium"}}, 200, 0.2),
        ({"erase": {"icons": {}}}, 50, 0.05),
        ({"upscale": {}}, 100, 0.1),
        ({"upscale": {"quality": "fast"}}, 100, 0.1),
        ({"upscale": {"quality": "normal"}}, 250, 0.25),
        ({"erase": {}, "upscale": {}}, 150, 0.15),
    ],
)
def test_an_estimate_is_megapixels_over_speed(wanted, work_seconds, amount):
    result = estimate(EstimateRequest.model_validate({**HD, **wanted}), RATES)
    assert (result.work_seconds, result.cost.amount, result.cost.currency) == (work_seconds, amount, "EUR")
    assert result.billable_seconds == 100
    assert (result.output_width, result.tier) == ((2000, "4k") if "upscale" in wanted else (1000, "full_hd"))


def test_the_rates_are_those_of_the_template(deployment, call, recorded):
    answer = call(describe_work, recorded("describe_work"))
    assert answer.status == 200
    rates = json.loads(deployment.environment["ESTIMATE_RATES"])
    megapixels = 1280 * 720 * 25 * 60 / 1e6
    expected = megapixels / rates["erase"] + megapixels / rates["upscale"]
    assert answer.body["work_seconds"] == round(expected, 1)
    assert answer.body["cost"]["currency"] == "USD"


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"duration_seconds": 0}, 400, "duration_seconds"),
        ({"duration_seconds": 86401}, 400, "duration_seconds"),
        ({"width": 0}, 400, "width"),
        ({"frame_rate": 241}, 400, "frame_rate"),
        ({"erase": None, "upscale": None}, 400, "body"),
        ({"colour": "red"}, 400, "colour"),
        ({"width": 640, "height": 358}, 422, None),
        ({"width": 1922, "height": 1080}, 422, None),
    ],
)
def test_an_estimate_against_the_rules_is_refused(call, recorded, change, status, field):
    body = {**json.loads(recorded("describe_work")["body"]), **change}
    answer = call(describe_work, recorded("describe_work"), body)
    assert (answer.status, answer.body.get("field")) == (status, field)
