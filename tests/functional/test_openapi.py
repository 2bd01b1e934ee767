"""The OpenAPI document: made from the code, served, checked in."""

from __future__ import annotations

import json
from pathlib import Path

from openapi_spec_validator import validate

import serve_openapi

CHECKED_IN = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_document_is_valid_and_served(deployment, call, recorded):
    answer = call(serve_openapi, recorded("serve_openapi"))

    assert answer.status == 200
    validate(answer.body)
    assert {"/v1/uploads", "/v1/jobs", "/v1/jobs/{job_id}", "/v1/templates"} <= set(answer.body["paths"])


def test_the_checked_in_document_is_the_code_s():
    assert json.loads(CHECKED_IN.read_text()) == serve_openapi.openapi_document(), (
        "docs/openapi.json is out of date: make openapi"
    )


def test_every_refusal_is_described_as_a_problem():
    document = serve_openapi.openapi_document()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            refusals = {status: answer for status, answer in operation["responses"].items() if status[0] in "45"}
            assert "500" in refusals, (path, method)
            for status, answer in refusals.items():
                # What the HTTP API answers by itself, to a request without credentials, is plain JSON.
                own = {"application/json"} if status == "401" else set()
                assert set(answer["content"]) == {"application/problem+json"} | own, (path, method, status)
