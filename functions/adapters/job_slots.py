"""How many unfinished jobs an access key may have: one slot each, on the key's own record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from domain.access import KeyQuota
from domain.errors import TooManyJobsInFlightError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

    from adapters.jobs_table import JobsTable

_CONDITION_FAILED = "ConditionalCheckFailedException"


@dataclass(frozen=True, slots=True)
class JobSlots:
    """Takes slots by a conditional write, so that racing requests cannot exceed a quota.

    Nobody gives a slot back: when all are taken, those of jobs that have ended by now are freed. So no failure on the
    way can lose one; the price is that a job between its slot and its record, milliseconds, may be overtaken by one.
    """

    client: DynamoDBClient
    table_name: str
    jobs: JobsTable

    def take(self, key: KeyQuota, job_id: str) -> None:
        """Take a slot for a job that is about to be recorded.

        Raises:
            TooManyJobsInFlightError: the key has as many unfinished jobs as its quota allows.
        """
        limit = key.quota.jobs_in_flight
        if self._add(key.key_id, job_id, limit):
            return
        held = self._held(key.key_id)
        ended = held - self.jobs.unfinished(held)
        if ended:
            self._free(key.key_id, ended)
        if not ended or not self._add(key.key_id, job_id, limit):
            raise TooManyJobsInFlightError(
                f"the access key has {limit} unfinished jobs already", allowed=f"{limit} unfinished jobs"
            )

    def _add(self, key_id: str, job_id: str, limit: int) -> bool:
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key={"key_id": {"S": key_id}},
                UpdateExpression="ADD jobs :jobs",
                ConditionExpression="attribute_exists(key_id) AND (attribute_not_exists(jobs) OR size(jobs) < :limit)",
                ExpressionAttributeValues={":jobs": {"SS": [job_id]}, ":limit": {"N": str(limit)}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise
            return False
        return True

    def _held(self, key_id: str) -> frozenset[str]:
        answer = self.client.get_item(
            TableName=self.table_name,
            Key={"key_id": {"S": key_id}},
            ProjectionExpression="jobs",
            ConsistentRead=True,
        )
        return frozenset(answer.get("Item", {}).get("jobs", {}).get("SS", ()))

    def _free(self, key_id: str, job_ids: frozenset[str]) -> None:
        self.client.update_item(
            TableName=self.table_name,
            Key={"key_id": {"S": key_id}},
            UpdateExpression="DELETE jobs :jobs",
            ExpressionAttributeValues={":jobs": {"SS": sorted(job_ids)}},
        )
