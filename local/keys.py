"""``keys``: makes, lists and revokes access keys, of a service on this machine or of a stack on AWS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.access_keys import AccessKeys
from adapters.secret_box import SecretBox
from domain.access import AccessKey, Quota, Scope
from local.installation import Installation


@dataclass(frozen=True)
class KeyStore:
    """Where a service keeps its keys: the names of its table and of the alias of its KMS key."""

    table: str
    secrets_key: str

    def open(self, new_client: Callable[[str], Any]) -> AccessKeys:
        """Return the keys, reached through ``new_client``, which takes the name of an AWS service."""
        box = SecretBox(new_client("kms"), self.secrets_key)
        return AccessKeys(new_client("dynamodb"), self.table, box, lambda: datetime.now(UTC))


def of(service: Installation) -> AccessKeys:
    """Return the keys of a service.

    Raises:
        NoServiceError: its stack has no access keys yet.
    """
    store = KeyStore(service.output("AccessKeysTableName"), service.output("SecretsKeyAliasName"))
    return store.open(service.new_client)


def create(keys: AccessKeys, owner: str, scopes: list[str], quota: Mapping[str, int], expires_days: int | None) -> str:
    """Make a key and return it as ``KEY_ID.SECRET``; nobody can ask for the secret again.

    Raises:
        pydantic.ValidationError: the owner's name, a scope or the quota breaks a rule.
    """
    expires_at = None if expires_days is None else datetime.now(UTC) + timedelta(days=expires_days)
    key, secret = keys.create(owner, frozenset(map(Scope, scopes)), Quota.model_validate(dict(quota)), expires_at)
    return f"{key.key_id}.{secret}"


def line_of(key: AccessKey) -> str:
    """Return one key as a line of a list."""
    if key.revoked_at is not None:
        state = f"revoked {key.revoked_at:%Y-%m-%d}"
    elif key.expires_at is not None:
        state = f"until {key.expires_at:%Y-%m-%d}"
    else:
        state = "active"
    quota = key.quota
    return (
        f"{key.key_id}  {key.owner:<20} {','.join(sorted(key.scopes)):<11} {state:<19} {quota.jobs_in_flight} jobs,"
        f" {quota.minutes_per_month} min/month, {quota.requests_per_second} requests/s, {quota.pieces_at_once} pieces"
    )
