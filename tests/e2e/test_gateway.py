"""The events and answers of the HTTP API, with a function that answers what the test wants."""

import base64
import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventV2Model
from werkzeug.test import Client

from local.functions import InvocationResult
from local.gateway import MAX_BODY_BYTES, Gateway
from local.stack import Authorizer, Route


class OneFunction:
    """Stands for all functions: remembers its events, answers the same each time."""

    def __init__(self, answer: Any, function_error: str | None = None) -> None:
        self.events: list[Any] = []
        self._result = InvocationResult(json.dumps(answer).encode(), function_error)

    def invoke(self, name_or_arn: str, payload: bytes) -> InvocationResult:
        self.events.append(json.loads(payload))
        return self._result


def gateway(function: OneFunction) -> Client:
    routes = (
        Route("GET", "/v1/jobs/{job_id}", "one"),
        Route("POST", "/v1/jobs", "one"),
        Route("GET", "/v1/jobs", "one"),
    )
    return Client(Gateway(routes, function), use_cookies=False)


def test_the_event_has_the_form_that_functions_read():
    function = OneFunction({"statusCode": 200})
    gateway(function).get("/v1/jobs/a%20b?tag=x&tag=y&empty=", headers={"X-Two": "1", "Cookie": "a=1; b=2"})
    event = function.events[0]
    read = APIGatewayProxyEventV2Model.model_validate(event)
    assert read.routeKey == "GET /v1/jobs/{job_id}"
    assert read.pathParameters == {"job_id": "a b"}
    assert read.queryStringParameters == {"tag": "x,y", "empty": ""}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-two"] == "1"
    assert "cookie" not in event["headers"]
    assert event["requestContext"]["stage"] == "$default"


def test_text_goes_as_text_and_bytes_as_base64():
    function = OneFunction({"statusCode": 200})
    client = gateway(function)
    client.post("/v1/jobs", data="{}", content_type="application/json")
    client.post("/v1/jobs", data=b"\xff\x00", content_type="application/octet-stream")
    assert (function.events[0]["body"], function.events[0]["isBase64Encoded"]) == ("{}", False)
    assert base64.b64decode(function.events[1]["body"]) == b"\xff\x00"
    assert function.events[1]["isBase64Encoded"] is True


def test_the_answer_keeps_status_headers_cookies_and_bytes():
    answer = {
        "statusCode": 418,
        "headers": {"content-type": "image/png", "location": "/there"},
        "cookies": ["a=1", "b=2"],
        "body": base64.b64encode(b"\x89PNG").decode(),
        "isBase64Encoded": True,
    }
    response = gateway(OneFunction(answer)).get("/v1/jobs")
    assert (response.status_code, response.data) == (418, b"\x89PNG")
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Location"] == "/there"
    assert response.headers.getlist("Set-Cookie") == ["a=1", "b=2"]
    assert response.headers["apigw-requestid"]


def test_a_greedy_route_takes_what_no_other_takes():
    named, others = OneFunction({"statusCode": 200}), OneFunction({"statusCode": 404})

    class Functions:
        def invoke(self, name_or_arn: str, payload: bytes) -> InvocationResult:
            return (others if name_or_arn == "others" else named).invoke(name_or_arn, payload)

    routes = (Route("ANY", "/v1/{proxy+}", "others"), Route("GET", "/v1/jobs/{job_id}", "one"))
    client = Client(Gateway(routes, Functions()), use_cookies=False)
    statuses = [client.open(path, method=method).status_code for method, path in
                [("GET", "/v1/jobs/a"), ("PUT", "/v1/jobs/a"), ("GET", "/v1/a/b/c"), ("GET", "/v2/a")]]  # fmt: skip
    assert statuses == [200, 404, 404, 404]
    assert [event["pathParameters"] for event in others.events] == [{"proxy": "jobs/a"}, {"proxy": "a/b/c"}]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/job"), ("PUT", "/v1/jobs"), ("GET", "/v1/jobs/a/b"), ("GET", "/")]
)
def test_what_no_route_takes_is_not_found(method, path):
    function = OneFunction({"statusCode": 200})
    response = gateway(function).open(path, method=method)
    assert (response.status_code, response.json) == (404, {"message": "Not Found"})
    assert function.events == []


def test_a_body_over_the_limit_is_refused_unread():
    function = OneFunction({"statusCode": 200})
    response = gateway(function).post("/v1/jobs", data=b"x" * (MAX_BODY_BYTES + 1), content_type="text/plain")
    assert response.status_code == 413
    assert function.events == []


def test_a_function_that_failed_is_an_internal_error_without_its_details():
    response = gateway(OneFunction({"errorMessage": "secret"}, "Unhandled")).get("/v1/jobs")
    assert (response.status_code, response.json) == (500, {"message": "Internal Server Error"})


class TwoFunctions:
    """An authorizer that answers what the test wants, and a function that remembers its events."""

    def __init__(self, verdict: Any, function_error: str | None = None) -> None:
        self.asked: list[Any] = []
        self.events: list[Any] = []
        self._verdict = InvocationResult(json.dumps(verdict).encode(), function_error)

    def invoke(self, name_or_arn: str, payload: bytes) -> InvocationResult:
        if name_or_arn == "authorizer":
            self.asked.append(json.loads(payload))
            return self._verdict
        self.events.append(json.loads(payload))
        return InvocationResult(b'{"statusCode": 200}')


def guarded(functions: TwoFunctions) -> Client:
    routes = (
        Route("POST", "/v1/jobs", "one", Authorizer("authorizer", ("Authorization",))),
        Route("POST", "/", "one", Authorizer("authorizer")),
    )
    return Client(Gateway(routes, functions), use_cookies=False)


def test_an_authorizer_s_context_reaches_the_function_and_it_sees_no_body():
    functions = TwoFunctions({"isAuthorized": True, "context": {"owner": "acme"}})
    response = guarded(functions).post("/v1/jobs?a=1", json={}, headers={"Authorization": "Bearer x"})
    assert response.status_code == 200
    (asked,), (event,) = functions.asked, functions.events
    assert (asked["type"], asked["identitySource"], asked["rawQueryString"]) == ("REQUEST", ["Bearer x"], "a=1")
    assert "body" not in asked
    assert event["requestContext"]["authorizer"] == {"lambda": {"owner": "acme"}}
    assert event["body"]


def test_without_its_identity_source_an_authorizer_is_not_asked():
    functions = TwoFunctions({"isAuthorized": True})
    response = guarded(functions).post("/v1/jobs", json={})
    assert (response.status_code, response.json) == (401, {"message": "Unauthorized"})
    assert functions.asked == functions.events == []
    assert guarded(functions).post("/").status_code == 200


@pytest.mark.parametrize(
    ("verdict", "error", "status"),
    [({"isAuthorized": False}, None, 403), (None, None, 403), ({"isAuthorized": True}, "Unhandled", 500)],
)
def test_who_is_not_authorized_does_not_reach_the_function(verdict, error, status):
    functions = TwoFunctions(verdict, error)
    assert guarded(functions).post("/").status_code == status
    assert functions.events == []
