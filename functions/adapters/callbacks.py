"""Callback settings: who is to be told of a job's end, and the secret that signs it, which only a delivery opens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain import callback as rules
from domain.callback import CallbackDraft, CallbackSettings, CallbackStyle, CallbackView
from domain.errors import CallbackNotFoundError, InvalidRequestError
from domain.job import CallbackTarget, Job, JobRequest

if TYPE_CHECKING:
    from adapters.secret_box import SecretBox
    from adapters.tenant_table import TenantTable

_ENTRY = "CALLBACK"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a callback goes; ``secret`` in the clear, None for one that is not signed."""

    url: str
    style: CallbackStyle
    secret: str | None


@dataclass(frozen=True, slots=True)
class Callbacks:
    """All tenants' callbacks. ``clock`` tells the present time in UTC."""

    table: TenantTable
    secrets: SecretBox
    clock: Callable[[], datetime]
    allow_loopback: bool

    def get(self, owner: str) -> CallbackView:
        """Show an owner's callback.

        Raises:
            CallbackNotFoundError: there is none.
        """
        return _view(self._read(owner))

    def put(self, draft: CallbackDraft, owner: str) -> CallbackView:
        """Set an owner's callback, in the standard form.

        Raises:
            InvalidCallbackUrlError, BlockedAddressError: the URL is never called.
            InvalidRequestError: the secret is none of Standard Webhooks.
        """
        self._check_url(draft.url, "url")
        old = self.table.get(owner, _ENTRY, CallbackSettings)
        made: str | None = None
        if draft.secret is not None:
            rules.check_secret(draft.secret.get_secret_value(), field="secret")
            sealed: str | None = self._seal(draft.secret.get_secret_value(), owner)
        elif old is not None and old.style is CallbackStyle.STANDARD:
            sealed = old.sealed_secret
        else:
            made = rules.new_secret()
            sealed = self._seal(made, owner)
        return _view(self._write(owner, draft.url, CallbackStyle.STANDARD, sealed), made)

    def put_ice(self, url: str, auth_key: str | None, owner: str) -> CallbackView:
        """Set an owner's callback in the form of ``SetEventCallback``; without a key it is not signed.

        Raises:
            InvalidCallbackUrlError, BlockedAddressError: the URL is never called, or is too long.
            InvalidRequestError: the key breaks a rule.
        """
        rules.check_ice_url(url)
        self._check_url(url, "CallbackURL")
        if auth_key is not None:
            rules.check_auth_key(auth_key)
        sealed = None if auth_key is None else self._seal(auth_key, owner)
        return _view(self._write(owner, url, CallbackStyle.ICE, sealed))

    def delete(self, owner: str) -> None:
        """Tell an owner of no job's end any more, but for jobs with a callback of their own.

        Raises:
            CallbackNotFoundError: there is none.
        """
        if not self.table.delete(owner, _ENTRY):
            raise _unknown()

    def of_request(self, request: JobRequest, owner: str) -> CallbackTarget | None:
        """Return the callback that a request brings, its secret sealed.

        Raises:
            InvalidCallbackUrlError, BlockedAddressError: the URL is never called.
            InvalidRequestError: the secret is none of Standard Webhooks, or there is none to sign with.
        """
        wanted = request.callback
        if wanted is None:
            return None
        self._check_url(wanted.url, "callback.url")
        if wanted.secret is not None:
            secret = wanted.secret.get_secret_value()
            rules.check_secret(secret, field="callback.secret")
            return CallbackTarget(url=wanted.url, sealed_secret=self._seal(secret, owner))
        settings = self.table.get(owner, _ENTRY, CallbackSettings)
        if settings is None or settings.style is not CallbackStyle.STANDARD or settings.sealed_secret is None:
            raise InvalidRequestError(
                "give a secret with the callback, or set one with PUT /v1/callback", field="callback.secret"
            )
        return CallbackTarget(url=wanted.url, sealed_secret=settings.sealed_secret)

    def has_receiver(self, job: Job) -> bool:
        """Tell whether anybody is to be told of a job's end."""
        return job.callback is not None or self.table.get(job.owner, _ENTRY, CallbackSettings) is not None

    def receiver(self, job: Job) -> Receiver | None:
        """Return who is to be told of a job's end: the job's own receiver, else its owner's."""
        if job.callback is not None:
            return Receiver(job.callback.url, CallbackStyle.STANDARD, self._open(job.callback.sealed_secret, job.owner))
        settings = self.table.get(job.owner, _ENTRY, CallbackSettings)
        if settings is None:
            return None
        sealed = settings.sealed_secret
        return Receiver(settings.url, settings.style, None if sealed is None else self._open(sealed, job.owner))

    def _read(self, owner: str) -> CallbackSettings:
        settings = self.table.get(owner, _ENTRY, CallbackSettings)
        if settings is None:
            raise _unknown()
        return settings

    def _write(self, owner: str, url: str, style: CallbackStyle, sealed: str | None) -> CallbackSettings:
        settings = CallbackSettings(url=url, style=style, sealed_secret=sealed, modified_at=self.clock())
        self.table.put(owner, _ENTRY, settings)
        return settings

    def _check_url(self, url: str, field: str) -> None:
        rules.parse_callback_url(url, field=field, allow_loopback=self.allow_loopback)

    def _seal(self, secret: str, owner: str) -> str:
        return self.secrets.seal(secret, _context(owner))

    def _open(self, sealed: str, owner: str) -> str:
        return self.secrets.open(sealed, _context(owner))


def _context(owner: str) -> dict[str, str]:
    return {"purpose": "callback", "owner": owner}


def _view(settings: CallbackSettings, made: str | None = None) -> CallbackView:
    return CallbackView(
        url=settings.url,
        style=settings.style,
        is_signed=settings.sealed_secret is not None,
        modified_at=settings.modified_at,
        new_secret=made,
    )


def _unknown() -> CallbackNotFoundError:
    return CallbackNotFoundError("there are no callback settings")
