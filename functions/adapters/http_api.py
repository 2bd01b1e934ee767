"""The HTTP side of the API's functions: routing, validation, and the one place where an error becomes a status."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as RouteNotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)
from aws_lambda_powertools.event_handler.openapi.params import Header
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict

from adapters.authentication import caller_of, rate_headers
from adapters.observed import Handler, logger, observed_request
from domain.access import KeyQuota, Scope
from domain.errors import (
    AuthenticationError,
    BadSourceError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    RequestTooLargeError,
    SmartEraseError,
    TooManyRequestsError,
)

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_PROBLEM_JSON = "application/problem+json"
_JSON = "application/json"
# The longest sensible request, two regions with twenty times each, has a few kilobytes.
_MAX_BODY_BYTES = 256 * 1024
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

#: First match wins; a class that is not here is a fault of ours.
_STATUSES: tuple[tuple[type[SmartEraseError], HTTPStatus], ...] = (
    (InvalidRequestError, HTTPStatus.BAD_REQUEST),
    (AuthenticationError, HTTPStatus.UNAUTHORIZED),
    (ForbiddenError, HTTPStatus.FORBIDDEN),
    (TooManyRequestsError, HTTPStatus.TOO_MANY_REQUESTS),
    (RequestTooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (BadSourceError, HTTPStatus.UNPROCESSABLE_ENTITY),
)

#: What every route may answer.
_REFUSALS_OF_ALL = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)


class Problem(BaseModel):
    """Why a request was refused (RFC 9457). ``code`` is stable, ``detail`` is for people."""

    model_config = ConfigDict(frozen=True)

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
    allowed: str | None = None
    request_id: str


class NoCredentials(BaseModel):
    """What the HTTP API itself answers to a request without an Authorization header."""

    model_config = ConfigDict(frozen=True)

    message: Literal["Unauthorized"]


def owner_of(router: APIGatewayHttpRouter) -> str:
    """Return whose request this is."""
    return caller_of(router.current_event.raw_event).owner


def quota_of(router: APIGatewayHttpRouter) -> KeyQuota:
    """Return which key sent this request, and what it may use up."""
    return caller_of(router.current_event.raw_event).key_quota


#: Header with which a caller names a request that creates something, so that it may be sent again.
IdempotencyKeyHeader = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]


def problems(*statuses: HTTPStatus) -> dict[int, Any]:
    """Describe the refusals of a route for the OpenAPI document: its own, and those that every route has."""
    refusals: dict[int, Any] = {
        int(status): {
            "description": status.phrase,
            "content": {_PROBLEM_JSON: {"model": Problem}},
        }
        for status in (*statuses, *_REFUSALS_OF_ALL)
    }
    refusals[HTTPStatus.UNAUTHORIZED]["content"][_JSON] = {"model": NoCredentials}
    return refusals


def new_router() -> APIGatewayHttpRouter:
    """Return an empty router for the routes of one function."""
    make: Callable[[], APIGatewayHttpRouter] = APIGatewayHttpRouter
    return make()


def new_api(*routers: APIGatewayHttpRouter, public: bool = False) -> APIGatewayHttpResolver:
    """Return an API that validates requests against the routes' types and answers every error as a problem.

    Its routes answer only callers with an access key, unless they are ``public``.
    """
    api = _Api(is_public=public)
    for router in routers:
        api.include_router(router)
    api.use([_refuse_unknown_parameters])
    refusals = api.refusals
    handlers: dict[type[Exception], Callable[[Any], Response[str]]] = {
        SmartEraseError: refusals.of_domain,
        RequestValidationError: refusals.of_validation,
        RequestUnsupportedContentType: refusals.of_content_type,
        UnicodeDecodeError: refusals.of_encoding,
        RecursionError: refusals.of_depth,
        RouteNotFoundError: refusals.of_route,
        Exception: refusals.of_crash,
    }
    for error, handler in handlers.items():
        api.exception_handler(error)(handler)
    return api


class _Api(APIGatewayHttpResolver):
    """An API that looks at the caller and the size of a request before anything else, its body's form included."""

    def __init__(self, *, is_public: bool) -> None:
        super().__init__(enable_validation=True)
        self._is_public = is_public
        self.refusals = _Refusals()

    def resolve(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # type: ignore[override]
        self.refusals.request_id = event["requestContext"]["requestId"]
        try:
            if not self._is_public:
                caller_of(event).require(_scope_of(event))
            _check_size(event.get("body") or "")
        except SmartEraseError as error:
            refusal = self.refusals.of_domain(error)
            headers = {"Content-Type": _PROBLEM_JSON, **refusal.headers}
            return {"statusCode": refusal.status_code, "headers": headers, "body": refusal.body}
        return super().resolve(event, context)


class _Refusals:
    """Turns errors into problems; ``request_id`` is that of the request at hand."""

    def __init__(self) -> None:
        self.request_id = ""

    def of_domain(self, error: SmartEraseError) -> Response[str]:
        status = next((status for cls, status in _STATUSES if isinstance(error, cls)), None)
        if status is None:
            return self.of_crash(error)
        answer = self._problem(status, error.code, error.message, field=error.field, allowed=error.allowed)
        if isinstance(error, TooManyRequestsError):
            answer.headers["Retry-After"] = str(error.retry_after_seconds)
        if isinstance(error, AuthenticationError):
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    def of_validation(self, error: RequestValidationError) -> Response[str]:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return self._problem(HTTPStatus.BAD_REQUEST, "InvalidRequest", _in_plain_words(where, first), field=where)

    def of_content_type(self, _error: RequestUnsupportedContentType) -> Response[str]:
        detail = f"send the request as {_JSON}"
        return self._problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", detail, allowed=_JSON)

    def of_encoding(self, _error: UnicodeDecodeError) -> Response[str]:
        return self._problem(HTTPStatus.BAD_REQUEST, "InvalidRequest", "the body is not UTF-8", field="body")

    def of_depth(self, _error: RecursionError) -> Response[str]:
        return self._problem(HTTPStatus.BAD_REQUEST, "InvalidRequest", "the body is nested too deep", field="body")

    def of_route(self, _error: RouteNotFoundError) -> Response[str]:
        return self._problem(HTTPStatus.NOT_FOUND, "RouteNotFound", "there is no such operation")

    def of_crash(self, error: Exception) -> Response[str]:
        logger.exception("crashed", exc_info=error)
        detail = "the service failed on this request; quote the request ID when asking for help"
        return self._problem(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", detail)

    def _problem(
        self, status: HTTPStatus, code: str, detail: str, *, field: str | None = None, allowed: str | None = None
    ) -> Response[str]:
        logger.info("refused", status=status, code=code, reason=detail)
        problem = Problem(
            title=status.phrase,
            status=status,
            detail=detail,
            code=code,
            field=field,
            allowed=allowed,
            request_id=self.request_id,
        )
        return Response(status, content_type=_PROBLEM_JSON, body=problem.model_dump_json(exclude_none=True))


def _scope_of(event: dict[str, Any]) -> Scope:
    return Scope.READ if event["requestContext"]["http"]["method"] == "GET" else Scope.WRITE


def _check_size(body: str) -> None:
    if len(body) > _MAX_BODY_BYTES:
        raise RequestTooLargeError(
            f"the body has {len(body)} bytes; at most {_MAX_BODY_BYTES} are taken",
            field="body",
            allowed=f"<= {_MAX_BODY_BYTES} bytes",
        )


def _refuse_unknown_parameters(api: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[Any]:
    # A misspelt filter that is left out of account would answer something else than was asked for.
    known = {parameter.alias for parameter in api.context["_route"].dependant.query_params}
    for name in api.current_event.query_string_parameters:
        if name not in known:
            allowed = ", ".join(sorted(known)) or "none"
            raise InvalidRequestError(f"the parameter {name} is not known", field=name or "query", allowed=allowed)
    return next_middleware(api)


def http_handler(router: APIGatewayHttpRouter, *, public: bool = False) -> Handler:
    """Make a Lambda handler of a router's routes; only ``public`` ones answer callers without an access key."""
    api = new_api(router, public=public)

    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        answer = api.resolve(_as_json_only(event), context)
        answer["headers"] = {**answer.get("headers", {}), **rate_headers(event)}
        return answer

    return observed_request(handle)


def _as_json_only(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event, its content type hidden behind one that is refused if it is a form.

    The resolver would read forms as if they were JSON objects of texts.
    """
    headers = event.get("headers", {})
    if not headers.get("content-type", "").startswith(_FORMS):
        return event
    return {**event, "headers": {**headers, "content-type": "form"}}


def _in_plain_words(where: str, error: dict[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return f"the field {where} is not known"
    if error["type"] == "missing":
        return f"{where} is required"
    if error["type"] == "json_invalid":
        return "the body is not JSON"
    return f"{where}: {str(error['msg']).removeprefix('Value error, ')}"
