"""The door: an HTTP API (payload format 2.0, ``$default`` stage) in front of the functions, as API Gateway does it."""

from __future__ import annotations

import base64
import json
import logging
import re
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

from local.functions import FunctionNotDeployedError, Functions
from local.stack import Authorizer, Route
from local.template import ACCOUNT_ID, REGION

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

logger = logging.getLogger(__name__)

#: API Gateway's limit of a request.
MAX_BODY_BYTES = 10 * 1024 * 1024
_API_ID = "local"


class _RefusedError(Exception):
    """Raised when the API answers by itself, in place of the function."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Gateway:
    """A WSGI application that turns HTTP requests into events for the functions, and their answers into responses."""

    def __init__(self, routes: tuple[Route, ...], functions: Functions) -> None:
        self._functions = functions
        # Literal paths come before those with a variable, greedy ones last, as API Gateway orders them.
        self._routes = [
            (route, _pattern(route.path))
            for route in sorted(routes, key=lambda route: ("+}" in route.path, route.path.count("{")))
        ]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        request_id = str(uuid.uuid4())
        started = time.monotonic()
        response = self._respond(request, request_id)
        response.headers["apigw-requestid"] = request_id
        logger.info(
            "%s %s -> %d in %.0f ms",
            request.method,
            request.path,
            response.status_code,
            (time.monotonic() - started) * 1e3,
        )
        return response(environ, start_response)

    def _respond(self, request: Request, request_id: str) -> Response:
        raw_path = str(request.environ.get("REQUEST_URI", request.path)).split("?")[0]
        for route, pattern in self._routes:
            found = pattern.fullmatch(raw_path)
            if found and route.method in {request.method, "ANY"}:
                if (request.content_length or 0) > MAX_BODY_BYTES:
                    return _message(413, "Request Entity Too Large")
                variables = {name: unquote(value) for name, value in found.groupdict().items()}
                event = _event(request, route, raw_path, variables, request_id)
                try:
                    if route.authorizer is not None:
                        event["requestContext"]["authorizer"] = {"lambda": self._authorize(route.authorizer, event)}
                    return _response(self._invoke(route.function_name, event))
                except _RefusedError as refusal:
                    return _message(refusal.status, refusal.status.phrase)
        return _message(404, "Not Found")

    def _authorize(self, authorizer: Authorizer, event: dict[str, Any]) -> dict[str, Any]:
        """Ask a Lambda authorizer (simple responses, nothing cached) and return its context."""
        sources = [event["headers"].get(name.lower()) for name in authorizer.headers]
        if not all(sources):
            raise _RefusedError(HTTPStatus.UNAUTHORIZED)
        # It sees the request without its body.
        asked = {name: value for name, value in event.items() if name not in {"body", "isBase64Encoded"}}
        asked |= {"type": "REQUEST", "routeArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{_API_ID}/$default"}
        answer = self._invoke(authorizer.function_name, {**asked, "identitySource": sources})
        if not isinstance(answer, dict) or answer.get("isAuthorized") is not True:
            raise _RefusedError(HTTPStatus.FORBIDDEN)
        return dict(answer.get("context") or {})

    def _invoke(self, function: str, event: dict[str, Any]) -> Any:
        try:
            result = self._functions.invoke(function, json.dumps(event).encode())
        except FunctionNotDeployedError:
            raise _RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR) from None
        if result.function_error is not None:
            raise _RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR)
        return json.loads(result.payload)


def _pattern(path: str) -> re.Pattern[str]:
    """Return what a route's path matches: ``{name}`` is one part of a path, ``{name+}`` all that follows."""
    one_part = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))
    return re.compile(re.sub(r"\\\{(\w+)\\\+\\\}", r"(?P<\1>.+)", one_part))


def _event(request: Request, route: Route, raw_path: str, variables: dict[str, str], request_id: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    body = request.get_data()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{route.method} {route.path}",
        "rawPath": unquote(raw_path),
        "rawQueryString": request.query_string.decode("latin-1"),
        # Names in lower case, several values joined with a comma; cookies stand apart.
        "headers": _headers(request),
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": _API_ID,
            "domainName": request.host,
            "domainPrefix": _API_ID,
            "http": {
                "method": request.method,
                "path": unquote(raw_path),
                "protocol": request.environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
                "sourceIp": request.remote_addr or "127.0.0.1",
                "userAgent": request.headers.get("User-Agent", ""),
            },
            "requestId": request_id,
            "routeKey": f"{route.method} {route.path}",
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if request.args:
        event["queryStringParameters"] = {name: ",".join(request.args.getlist(name)) for name in request.args}
    if variables:
        event["pathParameters"] = variables
    if cookie := request.headers.get("Cookie"):
        event["cookies"] = [part.strip() for part in cookie.split(";")]
    if body:
        event["body"], event["isBase64Encoded"] = _body(body, request.mimetype)
    return event


def _headers(request: Request) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        if key != "cookie":
            headers[key] = f"{headers[key]},{value}" if key in headers else value
    return headers


def _body(body: bytes, mimetype: str) -> tuple[str, bool]:
    """Return the body as text, or as base64 where it is not text."""
    is_text = mimetype.startswith("text/") or mimetype in {
        "",
        "application/json",
        "application/xml",
        "application/javascript",
        "application/x-www-form-urlencoded",
    }
    if is_text:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def _response(answer: Any) -> Response:
    """Read a function's answer: the full form, or any JSON value as the body of a 200."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(json.dumps(answer), 200, content_type="application/json")
    body = answer.get("body") or ""
    headers = Headers()
    if body:
        headers["Content-Type"] = "application/json"
    for name, value in (answer.get("headers") or {}).items():
        headers[name] = str(value)
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers[name] = ",".join(str(value) for value in values)
    for cookie in answer.get("cookies") or []:
        headers.add("Set-Cookie", cookie)
    return Response(
        base64.b64decode(body) if answer.get("isBase64Encoded") else body, int(answer["statusCode"]), headers
    )


def _message(status: int, text: str) -> Response:
    return Response(json.dumps({"message": text}), status, content_type="application/json")
