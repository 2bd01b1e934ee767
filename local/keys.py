"""``keys``: makes, lists and revokes access keys, of a service on this machine or of a stack on AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3

from adapters.access_keys import AccessKeys
from adapters.secret_box import SecretBox
from domain.access import AccessKey, Quota, Scope
from local.stack import LocalAws


class NoServiceError(Exception):
    """Raised when there is no service, or no stack, whose keys could be managed; the message is one line."""


@dataclass(frozen=True)
class KeyStore:
    """Where a service keeps its keys: the names of its table and of the alias of its KMS key."""

    table: str
    secrets_key: str

    def open(self, new_client: Callable[[str], Any]) -> AccessKeys:
        """Return the keys, reached through ``new_client``, which takes the name of an AWS service."""
        box = SecretBox(new_client("kms"), self.secrets_key)
        return AccessKeys(new_client("dynamodb"), self.table, box, lambda: datetime.now(UTC))


def of_local_service(folders: list[Path]) -> AccessKeys:
    """Return the keys of the service that runs with one of these data folders.

    Raises:
        NoServiceError: none of them belongs to a running service, or more than one.
    """
    found = [json.loads(path.read_text(encoding="utf-8")) for folder in folders for path in folder.glob("service.json")]
    running = [facts for facts in found if Path(f"/proc/{facts['pid']}").exists()]
    if len(running) != 1:
        raise NoServiceError(
            "no service is running; start one with: python -m local serve"
            if not running
            else "several services are running; name the folder of one with --data"
        )
    facts: Mapping[str, str] = running[0]
    aws = LocalAws(facts["aws_endpoint_url"], facts["aws_access_key_id"], facts["aws_secret_access_key"])
    return KeyStore(facts["access_keys_table"], facts["secrets_key"]).open(aws.client)


def of_stack(stack_name: str) -> AccessKeys:
    """Return the keys of a stack on AWS, with the credentials and region of the environment or the user's profile.

    Raises:
        NoServiceError: there is no such stack, or it has no access keys.
    """
    cloudformation = boto3.client("cloudformation")
    try:
        (stack,) = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    except cloudformation.exceptions.ClientError as error:
        raise NoServiceError(f"stack {stack_name}: {error.response['Error']['Message']}") from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    try:
        store = KeyStore(outputs["AccessKeysTableName"], outputs["SecretsKeyAliasName"])
    except KeyError as error:
        raise NoServiceError(f"stack {stack_name} has no output {error.args[0]}; update it first") from error
    new_client: Callable[..., Any] = boto3.client
    return store.open(new_client)


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
        f" {quota.minutes_per_month} min/month, {quota.requests_per_second} requests/s"
    )
