"""The door of Action RPC at ``/``: from an HTTP API event to an operation, and from its answer or error back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from adapters.authentication import caller_of
from adapters.observed import logger
from adapters.service import current_service
from domain.access import Caller
from domain.acs3 import check_body
from domain.errors import InvalidRequestError, RequestTooLargeError, SmartEraseError, UnknownActionError
from rpc.answers import error_of, rendered
from rpc.call import Call
from rpc.operations import OPERATIONS

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# The longest sensible call, a template with two regions and many times, has a few kilobytes.
MAX_BODY_BYTES = 256 * 1024
MAX_PARAMETERS = 200
_FORM = "application/x-www-form-urlencoded"
#: What old SDKs send with every call; none of it is a parameter of an operation.
_COMMON = frozenset({"Action", "Version", "Format", "RegionId", "Timestamp", "SecurityToken", "AccessKeyId"})


def answer(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one call; whatever goes wrong is told in the form and the words that the caller's SDK knows."""
    headers: Mapping[str, str] = event["headers"]
    request_id = event["requestContext"]["requestId"]
    sent: dict[str, str] = {}
    try:
        sent.update(_pairs(event["rawQueryString"]))
        caller = caller_of(event)
        body = _body(event)
        check_body(headers, body)
        sent.update(_form(headers, body))
        body_of_answer = _perform(event, sent, caller, context)
    except SmartEraseError as error:
        refusal = error_of(type(error), _version(headers, sent))
        logger.info("refused", status=refusal.status, code=refusal.code, reason=error.message)
        message = error.message
    except Exception as error:  # noqa: BLE001 - the one place that answers for a crash
        logger.exception("crashed", exc_info=error)
        refusal = error_of(type(error), _version(headers, sent))
        message = "the service failed on this call; quote the request ID when asking for help"
    else:
        answered = {"RequestId": request_id, **body_of_answer}
        return rendered(200, answered, root=f"{_action(headers, sent)}Response", as_xml=_wants_xml(headers, sent))
    told = {"RequestId": request_id, "Code": refusal.code, "Message": message}
    return rendered(refusal.status, told, root="Error", as_xml=_wants_xml(headers, sent))


def _perform(
    event: Mapping[str, Any], sent: Mapping[str, str], caller: Caller, context: LambdaContext
) -> dict[str, Any]:
    version, action = _version(event["headers"], sent), _action(event["headers"], sent)
    operation = OPERATIONS.get((version, action))
    if operation is None:
        raise UnknownActionError(f"there is no operation {action!r} in version {version!r}", field="Action")
    caller.require(operation.scope)
    parameters = {name: value for name, value in sent.items() if name not in _COMMON}
    return operation.perform(Call(action, parameters, caller, current_service(), context))


def _action(headers: Mapping[str, str], sent: Mapping[str, str]) -> str:
    return headers.get("x-acs-action") or sent.get("Action", "")


def _version(headers: Mapping[str, str], sent: Mapping[str, str]) -> str:
    return headers.get("x-acs-version") or sent.get("Version", "")


def _body(event: Mapping[str, Any]) -> bytes:
    text: str = event.get("body") or ""
    if len(text) > 2 * MAX_BODY_BYTES:
        raise RequestTooLargeError("the body is too large", allowed=f"{MAX_BODY_BYTES} bytes")
    body = base64.b64decode(text) if event.get("isBase64Encoded") else text.encode()
    if len(body) > MAX_BODY_BYTES:
        raise RequestTooLargeError("the body is too large", allowed=f"{MAX_BODY_BYTES} bytes")
    return body


def _form(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    if not body:
        return {}
    if not headers.get("content-type", "").startswith(_FORM):
        raise InvalidRequestError(f"send parameters in the query or as {_FORM}", allowed=_FORM)
    try:
        return _pairs(body.decode())
    except UnicodeDecodeError as error:
        raise InvalidRequestError("the body is not UTF-8") from error


def _pairs(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS))
    except ValueError as error:
        raise InvalidRequestError("too many parameters", allowed=f"{MAX_PARAMETERS} parameters") from error


def _wants_xml(headers: Mapping[str, str], sent: Mapping[str, str]) -> bool:
    if "Format" in sent:
        return sent["Format"].upper() == "XML"
    accepted = headers.get("accept", "")
    return "xml" in accepted and "json" not in accepted
