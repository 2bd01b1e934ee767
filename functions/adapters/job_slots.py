"""How many unfinished jobs an access key may have: one slot each, on the key's own record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from domain.access import KeyQuota
from domain.errors import TooManyJobsInFlightError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

    from adapters.jobs_table import JobsTable

_CONDITION_FAILED = "ConditionalCheckFailedException"
# A function that submits has half of it before it is ended.
_SUBMISSION_SECONDS = 60


@dataclass(frozen=True, slots=True)
class JobSlots:
    """Takes slots by a conditional write, so that racing requests cannot exceed a quota.

    Nobody gives a slot back: when all are taken, those of jobs that have ended by now are freed. So no failure on the
    way can lose one. A slot whose job has no record is that of a submission on its way, or of one that failed: it tells
    when it was taken, and after longer than any submission lasts it is freed as well.
    """

    client: DynamoDBClient
    table_name: str
    jobs: JobsTable

    def take(self, key: KeyQuota, job_id: str, now: datetime) -> None:
        """Take a slot for a job that is about to be recorded.

        Raises:
            TooManyJobsInFlightError: the key has as many unfinished jobs as its quota allows.
        """
        limit = key.quota.jobs_in_flight
        slot = f"{int(now.timestamp())}/{job_id}"
        if self._add(key.key_id, slot, limit):
            return
        ended = self._ended(self._held(key.key_id), now)
        if ended:
            self._free(key.key_id, ended)
        if not ended or not self._add(key.key_id, slot, limit):
            raise TooManyJobsInFlightError(
                f"the access key has {limit} unfinished jobs already", allowed=f"{limit} unfinished jobs"
            )

    def _ended(self, slots: frozenset[str], now: datetime) -> frozenset[str]:
        jobs = {slot: slot.partition("/")[2] for slot in slots}
        statuses = self.jobs.statuses(frozenset(jobs.values()))
        forgotten = now.timestamp() - _SUBMISSION_SECONDS
        return frozenset(
            slot
            for slot, job_id in jobs.items()
            if (statuses[job_id].is_final if job_id in statuses else int(slot.partition("/")[0]) < forgotten)
        )

    def _add(self, key_id: str, slot: str, limit: int) -> bool:
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key={"key_id": {"S": key_id}},
                UpdateExpression="ADD jobs :jobs",
                ConditionExpression="attribute_exists(key_id) AND (attribute_not_exists(jobs) OR size(jobs) < :limit)",
                ExpressionAttributeValues={":jobs": {"SS": [slot]}, ":limit": {"N": str(limit)}},
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

    def _free(self, key_id: str, slots: frozenset[str]) -> None:
        self.client.update_item(
            TableName=self.table_name,
            Key={"key_id": {"S": key_id}},
            UpdateExpression="DELETE jobs :jobs",
            ExpressionAttributeValues={":jobs": {"SS": sorted(slots)}},
        )
