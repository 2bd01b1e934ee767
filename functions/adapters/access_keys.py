"""The access keys: records in DynamoDB, each secret sealed, and bound to the ID of its key."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from domain.access import AccessKey, Quota, Scope
from domain.errors import InvalidRequestError, UnknownAccessKeyError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from adapters.secret_box import SecretBox

_ID_PREFIX = "SE"
_CONDITION_FAILED = "ConditionalCheckFailedException"


class AccessKeys:
    """Keys in one table. ``clock`` tells the present time in UTC."""

    def __init__(self, client: DynamoDBClient, table_name: str, box: SecretBox, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._table = table_name
        self._box = box
        self._clock = clock
        # A process opens a secret once, while its key's record is read at every request.
        self._opened: dict[str, str] = {}

    def create(
        self, owner: str, scopes: frozenset[Scope], quota: Quota, expires_at: datetime | None = None
    ) -> tuple[AccessKey, str]:
        """Make a key; return its record and its secret, which nobody can ask for again.

        Raises:
            pydantic.ValidationError: the owner's name or the scopes break a rule.
        """
        key = AccessKey(
            key_id=_ID_PREFIX + secrets.token_hex(10).upper(),
            owner=owner,
            scopes=scopes,
            quota=quota,
            created_at=self._clock(),
            expires_at=expires_at,
        )
        secret = secrets.token_hex(24)
        self._client.put_item(
            TableName=self._table,
            Item={
                "key_id": {"S": key.key_id},
                "record": {"S": key.model_dump_json()},
                "secret": {"S": self._box.seal(secret, _context(key.key_id))},
            },
            ConditionExpression="attribute_not_exists(key_id)",
        )
        return key, secret

    def get(self, key_id: str) -> tuple[AccessKey, str]:
        """Return a key and its secret, also of one that was revoked or has expired.

        Raises:
            UnknownAccessKeyError: there is none.
        """
        answer = self._client.get_item(TableName=self._table, Key={"key_id": {"S": key_id}}, ConsistentRead=True)
        if "Item" not in answer:
            raise UnknownAccessKeyError(f"there is no access key {key_id}")
        return _from_item(answer["Item"]), self._secret(key_id, answer["Item"]["secret"]["S"])

    def list(self, owner: str | None = None) -> Iterator[AccessKey]:
        """Yield all keys, or those of one owner; there are few, and only an administrator asks."""
        for page in self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True):
            for item in page["Items"]:
                key = _from_item(item)
                if owner in (None, key.owner):
                    yield key

    def revoke(self, key_id: str) -> None:
        """End a key at once and for good; the same call again changes nothing.

        Raises:
            InvalidRequestError: there is no such key.
        """
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"key_id": {"S": key_id}},
                UpdateExpression="SET revoked_at = if_not_exists(revoked_at, :now)",
                ConditionExpression="attribute_exists(key_id)",
                ExpressionAttributeValues={":now": {"S": self._clock().isoformat()}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise
            raise InvalidRequestError(f"there is no access key {key_id}", field="key_id") from error

    def _secret(self, key_id: str, sealed: str) -> str:
        if sealed not in self._opened:
            self._opened[sealed] = self._box.open(sealed, _context(key_id))
        return self._opened[sealed]


def _context(key_id: str) -> dict[str, str]:
    return {"access_key": key_id}


def _from_item(item: Mapping[str, AttributeValueTypeDef]) -> AccessKey:
    key = AccessKey.model_validate_json(item["record"]["S"])
    if "revoked_at" not in item:
        return key
    return key.model_copy(update={"revoked_at": datetime.fromisoformat(item["revoked_at"]["S"])})
