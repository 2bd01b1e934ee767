"""Callbacks: who is told of a job's end, in which form, signed how, and how often it is tried.

Two forms. The standard one follows Standard Webhooks (https://www.standardwebhooks.com): a JSON event with ``type``,
``timestamp`` and ``data``, signed with HMAC-SHA256 over message ID, timestamp and body. The other one is the event
``AIProduceComplete`` of Intelligent Media Services, for receivers that were written for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field, SecretStr

from domain.errors import BlockedAddressError, InvalidCallbackUrlError, InvalidRequestError, InvalidSourceUrlError
from domain.job import MAX_CALLBACK_URL_LENGTH, Job, JobStatus
from domain.job_view import JobView
from domain.source_url import SourceUrl, parse_source_url
from domain.strict import Strict
from domain.usage import Function, function_of

#: What a job's end is called on the event bus.
EVENT_SOURCE = "smart-erase"
EVENT_DETAIL_TYPE = "Job Ended"

#: Attempts to deliver, the first one included: over about 25 hours.
MAX_ATTEMPTS = 11
_FIRST_DELAY_SECONDS = 10
_DELAY_FACTOR = 3
_LONGEST_DELAY_SECONDS = 8 * 3600

_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost"})
_SECRET_PREFIX = "whsec_"  # noqa: S105 - it says that a secret follows
_SECRET_BYTES = range(24, 65)  # what Standard Webhooks takes
_GENERATED_SECRET_BYTES = 32
_MAX_AUTH_KEY_LENGTH = 32
_MAX_ICE_URL_BYTES = 256
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class CallbackStyle(StrEnum):
    """Form and signature of a callback."""

    STANDARD = "standard"
    ICE = "ice"


class CallbackDraft(Strict):
    """Where to tell of every job's end. Without a secret the old one stays, or a new one is made and shown once."""

    url: Annotated[str, Field(max_length=MAX_CALLBACK_URL_LENGTH)]
    secret: SecretStr | None = None


class CallbackSettings(Strict):
    """An owner's callback as it is kept. Only ``CallbackStyle.ICE`` may be without a secret: it is then not signed."""

    url: str
    style: CallbackStyle
    sealed_secret: str | None
    modified_at: AwareDatetime


class CallbackView(Strict):
    """An owner's callback as it is shown; ``new_secret`` only when it was made just now."""

    url: str
    style: CallbackStyle
    is_signed: bool
    modified_at: AwareDatetime
    new_secret: str | None = None


@dataclass(frozen=True, slots=True)
class LoopbackUrl:
    """A receiver on this machine, as tests and the service on one machine have it."""

    port: int
    target: str


def parse_callback_url(url: str, *, field: str, allow_loopback: bool) -> SourceUrl | LoopbackUrl:
    """Check the text of a callback's URL.

    Raises:
        InvalidCallbackUrlError: it has a form that is never called.
        BlockedAddressError: its host is written as an address that is not public.
    """
    if allow_loopback and (loopback := _loopback(url)) is not None:
        return loopback
    try:
        return parse_source_url(url, field)
    except BlockedAddressError:
        raise
    except InvalidSourceUrlError as error:
        raise InvalidCallbackUrlError(error.message, field=field, allowed=error.allowed) from error


def _loopback(url: str) -> LoopbackUrl | None:
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        return None
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK_HOSTS or not url.isascii() or re.search(r"\s", url):
        return None
    return LoopbackUrl(port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def check_ice_url(url: str) -> None:
    """Refuse what ``SetEventCallback`` does not take.

    Raises:
        InvalidCallbackUrlError: over 256 bytes.
    """
    if len(url.encode()) > _MAX_ICE_URL_BYTES:
        raise InvalidCallbackUrlError(
            f"the callback URL may hold at most {_MAX_ICE_URL_BYTES} bytes",
            field="CallbackURL",
            allowed=f"<= {_MAX_ICE_URL_BYTES} bytes",
        )


def new_secret() -> str:
    """Return a new secret for the standard signature."""
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_GENERATED_SECRET_BYTES)).decode()


def check_secret(secret: str, *, field: str) -> None:
    """Refuse a secret that receivers of Standard Webhooks could not take.

    Raises:
        InvalidRequestError: not ``whsec_`` and base64 of 24 to 64 bytes.
    """
    if len(_secret_bytes(secret)) not in _SECRET_BYTES:
        allowed = f"{_SECRET_PREFIX}BASE64 of {_SECRET_BYTES[0]} to {_SECRET_BYTES[-1]} bytes"
        raise InvalidRequestError(f"{field} must be {allowed}", field=field, allowed=allowed)


def check_auth_key(key: str) -> None:
    """Refuse a key that ``SetEventCallback`` does not take.

    Raises:
        InvalidRequestError: over 32 characters, or without an upper case letter, a lower case one or a digit.
    """
    kinds = (r"[A-Z]", r"[a-z]", r"[0-9]")
    if len(key) > _MAX_AUTH_KEY_LENGTH or not key.isascii() or not all(re.search(kind, key) for kind in kinds):
        allowed = f"up to {_MAX_AUTH_KEY_LENGTH} characters with upper case, lower case and digits"
        raise InvalidRequestError(f"AuthKey must have {allowed}", field="AuthKey", allowed=allowed)


def _secret_bytes(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""


def delay_before(attempt: int) -> int:
    """Return the seconds to wait before an attempt; the second one is ``attempt`` 2.

    10 s, 30 s, 90 s, … 6 h, 8 h, 8 h.
    """
    return int(min(_FIRST_DELAY_SECONDS * _DELAY_FACTOR ** (attempt - 2), _LONGEST_DELAY_SECONDS))


def message_id(job_id: str) -> str:
    """Return the ID by which a receiver knows a message again that was sent twice."""
    return f"job-ended-{job_id}"


def standard_body(shown: JobView, job: Job) -> bytes:
    """Return the standard event: ``data`` is the job as ``GET /v1/jobs/{job_id}`` shows it."""
    assert job.finished_at is not None  # only ended jobs are told of
    event = {
        "type": f"job.{job.status.value.lower()}",
        "timestamp": job.finished_at.strftime(_TIME_FORMAT),
        "data": shown.model_dump(mode="json"),
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def standard_headers(job_id: str, body: bytes, secret: str, now: datetime) -> dict[str, str]:
    """Return the headers of Standard Webhooks for a body."""
    message, timestamp = message_id(job_id), str(int(now.timestamp()))
    signed = f"{message}.{timestamp}.".encode() + body
    digest = hmac.new(_secret_bytes(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": message,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


_ICE_FUNCTION_NAMES: Mapping[Function | None, str] = {
    Function.ERASE: "VideoDetext",
    Function.ERASE_AND_UPSCALE: "VideoDetext",
    Function.UPSCALE: "SuperResolveVideo",
    Function.PREVIEW: "CaptionExtraction",
    None: "",
}


def ice_body(shown: JobView, job: Job, uri_of: Callable[[str], str]) -> bytes:
    """Return the event ``AIProduceComplete``; ``uri_of`` makes the address of a key of the bucket."""
    assert job.finished_at is not None
    links = {} if shown.result is None else shown.result.links
    # The copy, where one was asked for. A preview has no video: what it extracts is the text.
    outputs = [name for name in ("output", "video", "captions_srt") if name in links][:1]
    copied = None if shown.result is None else shown.result.output_s3_uri
    error = {} if job.error is None else {"Code": job.error.code, "Message": job.error.message}
    result: dict[str, Any] = {} if job.result_facts is None else job.result_facts.model_dump(mode="json")
    event = {
        "EventType": "AIProduceComplete",
        "UserId": job.owner,
        "EventTime": job.finished_at.strftime(_TIME_FORMAT),
        "MessageBody": {
            "JobId": job.job_id,
            "FunctionName": _ice_function_name(job),
            "Status": "Success" if job.status is JobStatus.SUCCEEDED else "Fail",
            "Code": "Success" if job.status is JobStatus.SUCCEEDED else "JobCancelled",
            "Message": "",
            **error,
            "Result": json.dumps(result),
            "OutputFiles": [copied or uri_of(job.result_keys[name]) for name in outputs],
            "OutputMediaIds": [],
            "OutputUrls": [links[name] for name in outputs],
            "UserData": (None if job.request is None else job.request.user_data) or "",
        },
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _ice_function_name(job: Job) -> str:
    if job.origin is not None:
        return job.origin.parameters.get("FunctionName", job.origin.action)
    return _ICE_FUNCTION_NAMES[function_of(job)]


def ice_headers(url: str, auth_key: str, now: datetime) -> dict[str, str]:
    """Return the headers of a signed event; without a key there are none.

    The closed service's own scheme: MD5 over URL, time and key. It does not cover the body.
    """
    timestamp = str(int(now.timestamp()))
    digest = hashlib.md5(f"{url}|{timestamp}|{auth_key}".encode(), usedforsecurity=False).hexdigest()
    return {"X-ICE-TIMESTAMP": timestamp, "X-ICE-SIGNATURE": digest}
