"""Finds out who sent a request: for the authorizer, which answers with a caller or with the refusal to be told.

An HTTP API cannot shape the answer to a request that its authorizer refuses, and clients build on error codes. So the
authorizer lets every request on, and says in its context either who calls or why the caller is not known; the doors
(``adapters.http_api``, ``rpc``) take nothing from a request whose context names no caller.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from domain.access import AccessKey, Allowance, Caller
from domain.acs3 import Acs3Signature, SignedRequest
from domain.errors import (
    AuthenticationError,
    InactiveAccessKeyError,
    MissingCredentialsError,
    RequestsTooFrequentError,
    SmartEraseError,
    TooManyRequestsError,
    WrongSecretError,
    public_errors,
)

if TYPE_CHECKING:
    from adapters.access_keys import AccessKeys
    from adapters.short_memory import ShortMemory

_BEARER = "bearer "
#: Action RPC answers at the root, REST under /v1.
_RPC_PATH = "/"


@dataclass(frozen=True, slots=True)
class Authentication:
    """Checks credentials. ``clock`` tells the present time in UTC."""

    keys: AccessKeys
    memory: ShortMemory
    clock: Callable[[], datetime]

    def context(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the authorizer says of a request (an HTTP API event, payload format 2.0)."""
        try:
            key = self._signed(event) if event["rawPath"] == _RPC_PATH else self._bearer(event["headers"])
            allowance = self._count(key)
        except (AuthenticationError, TooManyRequestsError) as error:
            return {"refusal": type(error).__name__, "message": error.message, "allowed": error.allowed or ""}
        caller = Caller(owner=key.owner, key_id=key.key_id, scopes=key.scopes, quota=key.quota)
        return {
            # Owner and key also by themselves: the API's log names them.
            "owner": key.owner,
            "key_id": key.key_id,
            "caller": caller.model_dump_json(),
            "allowance": allowance.model_dump_json(),
        }

    def _bearer(self, headers: Mapping[str, str]) -> AccessKey:
        authorization = headers.get("authorization", "")
        key_id, dot, given = authorization[len(_BEARER) :].strip().partition(".")
        if not authorization.lower().startswith(_BEARER) or not dot or not key_id.isascii():
            raise MissingCredentialsError("send the access key as Authorization: Bearer KEY_ID.SECRET")
        key, secret = self.keys.get(key_id)
        if not hmac.compare_digest(secret.encode(), given.encode()):
            raise WrongSecretError("the secret is not that of the access key")
        self._check_active(key)
        return key

    def _signed(self, event: Mapping[str, Any]) -> AccessKey:
        request = SignedRequest(
            event["requestContext"]["http"]["method"], event["rawPath"], event["rawQueryString"], event["headers"]
        )
        signature = Acs3Signature.of(request)
        key, secret = self.keys.get(signature.key_id)
        now = self.clock()
        signature.check(request, secret, now)
        self._check_active(key)
        # Last, so that a nonce is used up only by its own sender.
        self.memory.use_nonce(key.key_id, signature.nonce, now)
        return key

    def _check_active(self, key: AccessKey) -> None:
        if key.revoked_at is not None:
            raise InactiveAccessKeyError("the access key was revoked")
        if key.expires_at is not None and key.expires_at <= self.clock():
            raise InactiveAccessKeyError("the access key has expired")

    def _count(self, key: AccessKey) -> Allowance:
        limit = key.quota.requests_per_second
        allowance = self.memory.count_request(key.key_id, limit, self.clock())
        if allowance is None:
            raise RequestsTooFrequentError(
                f"the access key may send {limit} requests a second", allowed=f"{limit} requests a second"
            )
        return allowance


def caller_of(event: Mapping[str, Any]) -> Caller:
    """Return who sent a request that passed the authorizer.

    Raises:
        AuthenticationError: the authorizer found that it does not know.
        TooManyRequestsError: the caller sends too many.
    """
    context = _context_of(event)
    if "caller" in context:
        return Caller.model_validate_json(context["caller"])
    refusal: type[SmartEraseError] = public_errors().get(context.get("refusal", ""), MissingCredentialsError)
    message = context.get("message") or "the request carries no access key"
    raise refusal(message, allowed=context.get("allowed") or None)


def rate_headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that tell a caller what its key may still send in the running second."""
    text = _context_of(event).get("allowance")
    if not text:
        return {}
    allowance = Allowance.model_validate_json(text)
    return {
        "RateLimit-Limit": str(allowance.limit),
        "RateLimit-Remaining": str(allowance.remaining),
        "RateLimit-Reset": str(allowance.reset_seconds),
    }


def _context_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = event.get("requestContext", {}).get("authorizer", {}).get("lambda") or {}
    return found
