"""The ACS3-HMAC-SHA256 signature of Action RPC requests: what is signed, and how it is checked.

The algorithm is that of Alibaba Cloud's "V3 request body & signature mechanism": a canonical request (method, path,
query, headers, body's hash) is hashed, and the hash is signed with the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

from domain.errors import (
    IncompleteSignatureError,
    RequestExpiredError,
    SignatureMismatchError,
    UnsupportedSignatureError,
)

ALGORITHM = "ACS3-HMAC-SHA256"
#: A request's clock may be this much ahead or behind.
CLOCK_WINDOW = timedelta(minutes=15)
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_REQUIRED_HEADERS = ("host", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256")
_NONCE = re.compile(r"[!-~]{1,128}")
_CREDENTIAL = re.compile(
    rf"{ALGORITHM} Credential=(?P<key_id>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What an authorizer sees of a request: header names in lower case, the query as it came, no body."""

    method: str
    path: str
    raw_query: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Acs3Signature:
    """The signature that a request carries."""

    key_id: str
    signed_headers: tuple[str, ...]
    signature: str
    nonce: str
    signed_at: datetime

    @classmethod
    def of(cls, request: SignedRequest) -> Acs3Signature:
        """Read a request's signature without judging it.

        Raises:
            UnsupportedSignatureError: it is of another kind, such as the HMAC-SHA1 signature of old SDKs' queries.
            IncompleteSignatureError: there is none, or a part that has to be signed is missing.
        """
        authorization = request.headers.get("authorization", "")
        if not authorization:
            names = {name for name, _ in parse_qsl(request.raw_query, keep_blank_values=True)}
            if names & {"Signature", "SignatureMethod"}:
                raise UnsupportedSignatureError(
                    "signatures in the query (HMAC-SHA1) are not taken; use an SDK that signs with " + ALGORITHM,
                    allowed=ALGORITHM,
                )
            raise IncompleteSignatureError(f"the request is not signed; sign it with {ALGORITHM}", allowed=ALGORITHM)
        if not authorization.startswith(ALGORITHM + " "):
            raise UnsupportedSignatureError(f"only {ALGORITHM} signatures are taken", allowed=ALGORITHM)
        found = _CREDENTIAL.fullmatch(authorization.strip())
        if found is None:
            raise IncompleteSignatureError("Authorization must hold Credential, SignedHeaders and Signature")
        signed = tuple(found["headers"].split(";"))
        needed = {*_REQUIRED_HEADERS, *(name for name in request.headers if name.startswith("x-acs-"))}
        if missing := sorted(name for name in needed if name not in request.headers or name not in signed):
            raise IncompleteSignatureError(f"these headers have to be there and signed: {', '.join(missing)}")
        if unknown := sorted(set(signed) - set(request.headers)):
            raise IncompleteSignatureError(f"these headers are signed but not there: {', '.join(unknown)}")
        nonce = request.headers["x-acs-signature-nonce"]
        if not _NONCE.fullmatch(nonce):
            raise IncompleteSignatureError("x-acs-signature-nonce must hold 1-128 printable ASCII characters")
        return cls(found["key_id"], signed, found["signature"], nonce, _date(request.headers["x-acs-date"]))

    def check(self, request: SignedRequest, secret: str, now: datetime) -> None:
        """Check the signature with the key's secret, and the request's clock.

        Raises:
            SignatureMismatchError: the request was not signed with this secret, or was changed on its way.
            RequestExpiredError: its clock differs from ``now`` by more than a quarter of an hour.
        """
        if abs(now - self.signed_at) > CLOCK_WINDOW:
            raise RequestExpiredError("x-acs-date is more than 15 minutes from the service's clock")
        expected = sign(canonical_request(request, self.signed_headers), secret)
        if not hmac.compare_digest(expected, self.signature):
            raise SignatureMismatchError("the signature is not that of this request and this key's secret")


def canonical_request(request: SignedRequest, signed_headers: tuple[str, ...]) -> str:
    """Return the text whose hash is signed."""
    # Read and written again: a proxy on the way may have encoded the query differently.
    pairs = sorted(parse_qsl(request.raw_query, keep_blank_values=True))
    names = sorted(signed_headers)
    return "\n".join(
        (
            request.method,
            quote(request.path, safe="/~"),
            "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs),
            "".join(f"{name}:{request.headers[name].strip()}\n" for name in names),
            ";".join(names),
            request.headers["x-acs-content-sha256"],
        )
    )


def sign(canonical: str, secret: str) -> str:
    """Return the signature of a canonical request, in hexadecimal."""
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def check_body(headers: Mapping[str, str], body: bytes) -> None:
    """Hold a request's body against the hash that was signed.

    Raises:
        SignatureMismatchError: it is another body.
    """
    if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), headers.get("x-acs-content-sha256", "")):
        raise SignatureMismatchError("x-acs-content-sha256 is not the hash of the body")


def _date(text: str) -> datetime:
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise IncompleteSignatureError("x-acs-date must be written as 2026-01-31T12:00:00Z, in UTC") from error
