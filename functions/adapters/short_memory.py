"""What the service remembers for minutes only: nonces of signed requests, and how many requests a second had.

Both lie in the table of idempotency keys, under prefixes of their own; DynamoDB deletes them when they have expired.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from domain.access import Allowance
from domain.acs3 import CLOCK_WINDOW
from domain.errors import NonceReusedError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_CONDITION_FAILED = "ConditionalCheckFailedException"
# A request is refused by its clock before its nonce is forgotten: it may be signed ahead as well as behind.
_NONCE_LIFETIME = 2 * CLOCK_WINDOW + timedelta(minutes=1)
_COUNT_LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ShortMemory:
    """Conditional writes and counters with an end."""

    client: DynamoDBClient
    table_name: str

    def use_nonce(self, key_id: str, nonce: str, now: datetime) -> None:
        """Take a nonce, once.

        Raises:
            NonceReusedError: it was taken before.
        """
        # A hash, because a nonce may hold anything.
        name = f"nonce#{key_id}#{hashlib.sha256(nonce.encode()).hexdigest()}"
        try:
            self.client.put_item(
                TableName=self.table_name,
                Item={"id": {"S": name}, "expiration": {"N": _epoch(now + _NONCE_LIFETIME)}},
                ConditionExpression="attribute_not_exists(id)",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise
            raise NonceReusedError("this x-acs-signature-nonce was used before; each is taken once") from error

    def count_request(self, key_id: str, limit: int, now: datetime) -> Allowance | None:
        """Count one request of the running second; return what is left, or None when it is one too many."""
        answer = self.client.update_item(
            TableName=self.table_name,
            Key={"id": {"S": f"requests#{key_id}#{int(now.timestamp())}"}},
            UpdateExpression="SET expiration = :end ADD requests :one",
            ExpressionAttributeValues={":end": {"N": _epoch(now + _COUNT_LIFETIME)}, ":one": {"N": "1"}},
            ReturnValues="UPDATED_NEW",
        )
        left = limit - int(answer["Attributes"]["requests"]["N"])
        return Allowance(limit=limit, remaining=left, reset_seconds=1) if left >= 0 else None


def _epoch(moment: datetime) -> str:
    return str(int(moment.timestamp()))
