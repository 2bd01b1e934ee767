"""How Action RPC answers: JSON or XML, and the one table of what each of our errors is called in each product."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from domain.errors import (
    AuthenticationError,
    BadSourceError,
    BlockedAddressError,
    ConflictError,
    ForbiddenError,
    FunctionNotSupportedError,
    IdempotencyConflictError,
    InactiveAccessKeyError,
    IncompleteSignatureError,
    InvalidRequestError,
    InvalidSourceUrlError,
    JobNotFoundError,
    MissingParameterError,
    NonceReusedError,
    NotFoundError,
    RequestExpiredError,
    RequestTooLargeError,
    SignatureMismatchError,
    SmartEraseError,
    SourceNotFoundError,
    SourceTooLargeError,
    TooManyRequestsError,
    UnknownAccessKeyError,
    UnknownActionError,
    UnsupportedResolutionError,
    UnsupportedSignatureError,
    public_errors,
)

#: Version of the product that speaks of production jobs; the others are video enhancement's.
PRODUCTION_VERSION = "2020-11-09"
_XML = "text/xml;charset=utf-8"  # exactly what the SDKs compare with
_JSON = "application/json"
# Characters that no XML document may hold.
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class RpcError:
    """An HTTP status and a code that callers know."""

    status: int
    code: str


def _everywhere(status: int, code: str) -> tuple[RpcError, RpcError]:
    error = RpcError(status, code)
    return error, error


#: First match wins: in production jobs, in video enhancement. What is not here is a fault of ours.
_CODES: tuple[tuple[type[SmartEraseError], RpcError, RpcError], ...] = (
    # who calls: both products answer as their common gateway does
    (UnknownAccessKeyError, *_everywhere(404, "InvalidAccessKeyId.NotFound")),
    (InactiveAccessKeyError, *_everywhere(403, "InvalidAccessKeyId.Inactive")),
    (IncompleteSignatureError, *_everywhere(400, "IncompleteSignature")),
    (UnsupportedSignatureError, *_everywhere(400, "UnsupportedSignatureMethod")),
    (SignatureMismatchError, *_everywhere(400, "SignatureDoesNotMatch")),
    (RequestExpiredError, *_everywhere(400, "InvalidTimeStamp.Expired")),
    (NonceReusedError, *_everywhere(400, "SignatureNonceUsed")),
    (UnknownActionError, *_everywhere(404, "InvalidAction.NotFound")),
    (AuthenticationError, RpcError(403, "Forbidden"), RpcError(403, "AuthFailed")),
    (ForbiddenError, RpcError(403, "Forbidden"), RpcError(403, "AuthFailed")),
    (TooManyRequestsError, *_everywhere(403, "RequestsTooFrequent")),
    # what was asked for
    (RequestTooLargeError, RpcError(400, "InvalidParameter"), RpcError(400, "ParameterError")),
    (MissingParameterError, RpcError(400, "MissingParameter"), RpcError(400, "ParameterError")),
    (
        FunctionNotSupportedError,
        RpcError(400, "InvalidParameter.FunctionNotSupported"),
        RpcError(400, "InvalidParameter"),
    ),
    (InvalidSourceUrlError, RpcError(400, "InvalidParameter"), RpcError(400, "IllegalUrlParameter")),
    (BlockedAddressError, RpcError(400, "InvalidParameter"), RpcError(400, "IllegalUrlParameter")),
    (InvalidRequestError, RpcError(400, "InvalidParameter"), RpcError(400, "ParameterError")),
    (JobNotFoundError, RpcError(400, "InvalidParameter.JobNotFound"), RpcError(400, "InvalidParameter")),
    (NotFoundError, RpcError(404, "ResourceNotFound"), RpcError(400, "InvalidParameter")),
    (IdempotencyConflictError, *_everywhere(400, "IdempotentParameterMismatch")),
    (ConflictError, RpcError(403, "OperationDenied"), RpcError(400, "InvalidParameter")),
    # the file
    (SourceNotFoundError, RpcError(404, "ResourceNotFound"), RpcError(400, "IllegalUrlParameter")),
    (SourceTooLargeError, RpcError(400, "InvalidParameter"), RpcError(400, "InvalidFile.Size")),
    (UnsupportedResolutionError, RpcError(400, "InvalidParameter"), RpcError(400, "InvalidVideo.Resolution")),
    (BadSourceError, RpcError(400, "InvalidParameter"), RpcError(400, "InvalidVideo.Format")),
)
_CRASH = (RpcError(500, "InternalError"), RpcError(500, "InternalError.Algo"))


def error_of(error: type[BaseException], version: str) -> RpcError:
    """Return what an error is called in the product of an RPC version."""
    for cls, *codes in _CODES:
        if issubclass(error, cls):
            return codes[version != PRODUCTION_VERSION]
    return _CRASH[version != PRODUCTION_VERSION]


def vision_code_of(job_error_code: str) -> str:
    """Return what a failed job's error is called in video enhancement."""
    error = public_errors().get(f"{job_error_code}Error", Exception)
    return error_of(error, "").code


def rendered(status: int, body: Mapping[str, Any], *, root: str, as_xml: bool) -> dict[str, Any]:
    """Return the answer of an HTTP function; ``root`` names the element that holds an XML answer."""
    shown = {name: value for name, value in body.items() if value is not None}
    text = _xml(root, shown) if as_xml else json.dumps(shown, ensure_ascii=False)
    return {"statusCode": status, "headers": {"Content-Type": _XML if as_xml else _JSON}, "body": text}


def _xml(root: str, body: Mapping[str, Any]) -> str:
    element = ET.Element(root)
    _fill(element, body)
    return ET.tostring(element, encoding="unicode", xml_declaration=True)


def _fill(element: ET.Element, value: Any) -> None:
    """Put a value into an element: an object as its members, a list as one element of the same name for each item."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            for each in item if isinstance(item, list) else [item]:
                _fill(ET.SubElement(element, name), each)
    elif isinstance(value, bool):
        element.text = "true" if value else "false"
    elif value is not None:
        element.text = _NOT_XML.sub("", str(value))
