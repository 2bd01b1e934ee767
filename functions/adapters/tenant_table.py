"""What tenants keep beside their jobs, in one DynamoDB table: templates, icons, callback settings, usage records.

An item is named by its owner (partition key) and its entry (sort key, ``KIND#rest``). Every operation takes the owner
first: nothing here can reach into the data of two tenants at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError
from pydantic import BaseModel

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_Document = TypeVar("_Document", bound=BaseModel)
_CONDITION_FAILED = "ConditionalCheckFailedException"
# Sorts behind every character that an entry has.
_LAST = "\U0010ffff"


class TenantTable:
    """JSON documents by owner and entry."""

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._client = client
        self._table = table_name

    def get(self, owner: str, entry: str, model: type[_Document]) -> _Document | None:
        """Read one document, or return None if there is none."""
        answer = self._client.get_item(TableName=self._table, Key=_key(owner, entry), ConsistentRead=True)
        return model.model_validate_json(answer["Item"]["document"]["S"]) if "Item" in answer else None

    def put(self, owner: str, entry: str, document: BaseModel) -> None:
        """Write one document, whether there was one or not."""
        self._put(owner, entry, document)

    def put_new(self, owner: str, entry: str, document: BaseModel) -> bool:
        """Write one document; return False, changing nothing, if there is one already."""
        return self._conditional(owner, entry, document, "attribute_not_exists(entry)")

    def replace(self, owner: str, entry: str, document: BaseModel) -> bool:
        """Write one document over another; return False, changing nothing, if there is none."""
        return self._conditional(owner, entry, document, "attribute_exists(entry)")

    def delete(self, owner: str, entry: str) -> bool:
        """Delete one document; return False if there was none."""
        answer = self._client.delete_item(TableName=self._table, Key=_key(owner, entry), ReturnValues="ALL_OLD")
        return bool(answer.get("Attributes"))

    def query(self, owner: str, prefix: str, model: type[_Document]) -> Iterator[_Document]:
        """Yield the documents whose entries begin with ``prefix``, in the order of their entries."""
        return self.between(owner, prefix, prefix + _LAST, model)

    def between(self, owner: str, first: str, last: str, model: type[_Document]) -> Iterator[_Document]:
        """Yield the documents from entry ``first`` to entry ``last``, both included, in their order."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#owner = :owner AND entry BETWEEN :first AND :last",
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues={":owner": {"S": owner}, ":first": {"S": first}, ":last": {"S": last}},
            ConsistentRead=True,
        )
        for page in pages:
            for item in page["Items"]:
                yield model.model_validate_json(item["document"]["S"])

    def _conditional(self, owner: str, entry: str, document: BaseModel, condition: str) -> bool:
        try:
            self._put(owner, entry, document, ConditionExpression=condition)
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise
            return False
        return True

    def _put(self, owner: str, entry: str, document: BaseModel, **condition: Any) -> None:
        item = {**_key(owner, entry), "document": {"S": document.model_dump_json()}}
        self._client.put_item(TableName=self._table, Item=item, **condition)


def _key(owner: str, entry: str) -> dict[str, AttributeValueTypeDef]:
    return {"owner": {"S": owner}, "entry": {"S": entry}}
