"""The job records in DynamoDB: every write is conditional, so that two writers never both think they won.

The allowed transitions are the domain's; here they become condition expressions, which hold for any number of racing
functions.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from pydantic import BaseModel

from domain import cursor as cursors
from domain.errors import InvalidTransitionError, JobNotFoundError
from domain.job import Delivery, Job, JobError, JobStatus, ObjectRef, ResultFacts, SourceFacts, Stage, sources_of
from domain.job_filter import JobFilter
from domain.progress import Reached

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_OWNER_INDEX = "by_owner"
_STATUS_INDEX = "by_status"
_JOBS_PER_READ = 100
_MAX_READS_PER_PAGE = 10
_JOBS_PER_BATCH = 100  # what BatchGetItem takes
_CONDITION_FAILED = "ConditionalCheckFailedException"
_ANY = JobFilter()
# Fixed width, so that the order of the strings is the order in time.
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
_TEXT_FIELDS = ("job_id", "owner", "status", "stage")
_NUMBER_FIELDS = ("progress_percent", "segment_count", "pieces_at_once")
_TIME_FIELDS = ("created_at", "started_at", "finished_at")
_DOCUMENT_FIELDS = (
    "request",
    "origin",
    "source_object",
    "output_object",
    "source_facts",
    "error",
    "result_keys",
    "result_facts",
    "callback",
)

_Item = dict[str, "AttributeValueTypeDef"]


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some jobs, newest first, and the cursor behind the last one if more may follow."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


class JobsTable:
    """The only writer of job records."""

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._client = client
        self._table = table_name

    def put_new(self, job: Job) -> bool:
        """Record a job; return False, changing nothing, if its ID has a record already."""
        try:
            self._client.put_item(
                TableName=self._table, Item=_to_item(job), ConditionExpression="attribute_not_exists(job_id)"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise
            return False
        return True

    def get(self, job_id: str, owner: str | None = None) -> Job:
        """Read one job; with ``owner``, only one's own.

        Raises:
            JobNotFoundError: there is none, or it is somebody else's.
        """
        answer = self._client.get_item(TableName=self._table, Key={"job_id": {"S": job_id}}, ConsistentRead=True)
        job = _from_item(answer["Item"]) if "Item" in answer else None
        if job is None or (owner is not None and job.owner != owner):
            raise JobNotFoundError(f"there is no job {job_id}", field="job_id")
        return job

    def statuses(self, job_ids: Collection[str]) -> dict[str, JobStatus]:
        """Return the status of each of the jobs that has a record."""
        found: dict[str, JobStatus] = {}
        wanted = sorted(job_ids)
        for start in range(0, len(wanted), _JOBS_PER_BATCH):
            asked: Mapping[str, Any] = {
                self._table: {
                    "Keys": [{"job_id": {"S": job_id}} for job_id in wanted[start : start + _JOBS_PER_BATCH]],
                    "ConsistentRead": True,
                    "ProjectionExpression": "job_id, #status",
                    "ExpressionAttributeNames": {"#status": "status"},
                }
            }
            while asked:
                answer = self._client.batch_get_item(RequestItems=asked)
                items = answer["Responses"][self._table]
                found |= {item["job_id"]["S"]: JobStatus(item["status"]["S"]) for item in items}
                asked = answer["UnprocessedKeys"]
        return found

    def unfinished_before(self, moment: datetime) -> Iterator[str]:
        """Yield the IDs of the jobs that were submitted before a moment and have not ended, oldest first."""
        for status in (status for status in JobStatus if not status.is_final):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                IndexName=_STATUS_INDEX,
                KeyConditionExpression="#status = :status AND created_at < :moment",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":status": {"S": status}, ":moment": _time(moment)},
            )
            for page in pages:
                yield from (item["job_id"]["S"] for item in page["Items"])

    def page(self, owner: str, limit: int, cursor: str | None = None, wanted: JobFilter = _ANY) -> RecordPage:
        """List jobs of ``owner`` that a filter admits, newest first, at most ``limit``.

        Raises:
            InvalidRequestError: the cursor is none that this listing gave.
        """
        start = _decode_cursor(cursor, owner) if cursor else None
        jobs: list[Job] = []
        for _ in range(_MAX_READS_PER_PAGE):
            items, start = self._query(owner, limit + 1 if wanted.is_open else _JOBS_PER_READ, start, wanted.status)
            # What DynamoDB cannot see, because it lies inside of documents, is judged here.
            jobs += [job for job in map(_from_item, items) if wanted.admits(job)]
            if len(jobs) > limit:
                return RecordPage(tuple(jobs[:limit]), _encode_cursor(_list_key(jobs[limit - 1])))
            if start is None:
                return RecordPage(tuple(jobs), None)
        # What is wanted is rare among very many jobs: a short page, and a cursor to go on from.
        return RecordPage(tuple(jobs), _encode_cursor(start) if start else None)

    def set_source(self, job_id: str, source: ObjectRef) -> None:
        """Note where the fetched source lies.

        Raises:
            InvalidTransitionError: the job is no longer waiting.
        """
        self._update(job_id, frozenset({JobStatus.QUEUED}), {"source_object": _document(source)})

    def enter_stage(self, job_id: str, stage: Stage) -> None:
        """Note which step the job is in.

        Raises:
            InvalidTransitionError: the job has ended.
        """
        active = frozenset(status for status in JobStatus if not status.is_final)
        self._update(job_id, active, {"stage": {"S": stage}})

    def set_segment_count(self, job_id: str, segment_count: int) -> None:
        """Note into how many pieces the job was cut, so that its progress can be told.

        Raises:
            InvalidTransitionError: the job is not running.
        """
        values: _Item = {"stage": {"S": Stage.PLAN}, "segment_count": {"N": str(segment_count)}}
        self._update(job_id, frozenset({JobStatus.RUNNING}), values)

    def start(self, job_id: str, facts: SourceFacts, now: datetime) -> None:
        """QUEUED to RUNNING, with what the probe found; the same call again changes nothing.

        Raises:
            InvalidTransitionError: the job has ended (it was cancelled, for instance).
        """
        values: _Item = {"started_at": _time(now), "stage": {"S": Stage.DETECT}, "source_facts": _document(facts)}
        self._transition(job_id, JobStatus.RUNNING, values)

    def succeed(self, job_id: str, keys: Mapping[str, str], facts: ResultFacts, now: datetime) -> None:
        """RUNNING to SUCCEEDED, with the published files; the same call again changes nothing.

        Raises:
            InvalidTransitionError: the job has ended otherwise.
        """
        values: _Item = {
            "finished_at": _time(now),
            "progress_percent": {"N": "100"},
            "result_keys": {"S": json.dumps(dict(keys))},
            "result_facts": _document(facts),
        }
        self._transition(job_id, JobStatus.SUCCEEDED, values)

    def fail(self, job_id: str, error: JobError, now: datetime, reached: Reached | None = None) -> None:
        """Any unfinished status to FAILED, with how far it came; the same call again keeps the first error.

        Raises:
            InvalidTransitionError: the job has ended otherwise.
        """
        values: _Item = {"finished_at": _time(now), "error": _document(error), **_progress(reached)}
        self._transition(job_id, JobStatus.FAILED, values)

    def cancel(self, job_id: str, now: datetime, reached: Reached | None = None) -> None:
        """Any unfinished status to CANCELLED, with how far it came; the same call again changes nothing.

        Raises:
            InvalidTransitionError: the job has ended otherwise.
        """
        self._transition(job_id, JobStatus.CANCELLED, {"finished_at": _time(now), **_progress(reached)})

    def note_delivery(self, job_id: str, delivery: Delivery) -> None:
        """Add an attempt to tell of the job's end."""
        self._client.update_item(
            TableName=self._table,
            Key={"job_id": {"S": job_id}},
            UpdateExpression="SET deliveries = list_append(if_not_exists(deliveries, :none), :this)",
            ConditionExpression="attribute_exists(job_id)",
            ExpressionAttributeValues={":none": {"L": []}, ":this": {"L": [_document(delivery)]}},
        )

    def _transition(self, job_id: str, target: JobStatus, values: _Item) -> None:
        try:
            self._update(job_id, sources_of(target), {"status": {"S": target}, **values})
        except InvalidTransitionError:
            # A function that is invoked again after a lost answer finds its own work.
            if self.get(job_id).status is not target:
                raise

    def _update(self, job_id: str, allowed: frozenset[JobStatus], values: _Item) -> None:
        names = {f"#{name}": name for name in {*values, "status"}}
        allowed_values = {f":from_{status.value}": {"S": status.value} for status in allowed}
        new_values = {f":{name}": value for name, value in values.items()}
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"job_id": {"S": job_id}},
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
                ConditionExpression=f"#status IN ({', '.join(allowed_values)})",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={**allowed_values, **new_values},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise
            status = self.get(job_id).status
            raise InvalidTransitionError(f"job {job_id} is {status.value}", field="job_id") from error

    def _query(
        self, owner: str, limit: int, start: _Item | None, status: JobStatus | None
    ) -> tuple[list[_Item], _Item | None]:
        optional: dict[str, Any] = {"ExclusiveStartKey": start} if start else {}
        values: _Item = {":owner": {"S": owner}}
        names = {"#owner": "owner"}
        if status is not None:
            optional["FilterExpression"] = "#status = :status"
            values[":status"] = {"S": status.value}
            names["#status"] = "status"
        answer = self._client.query(
            TableName=self._table,
            IndexName=_OWNER_INDEX,
            KeyConditionExpression="#owner = :owner",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=False,
            Limit=limit,
            **optional,
        )
        return answer["Items"], answer.get("LastEvaluatedKey")


def _time(moment: datetime) -> AttributeValueTypeDef:
    return {"S": moment.astimezone(UTC).strftime(_TIME_FORMAT)}


def _progress(reached: Reached | None) -> _Item:
    if reached is None:
        return {}
    stage: _Item = {} if reached.stage is None else {"stage": {"S": reached.stage}}
    return {"progress_percent": {"N": str(reached.percent)}, **stage}


def _document(model: BaseModel) -> AttributeValueTypeDef:
    # A JSON text: nothing queries inside it, and DynamoDB has no floats.
    return {"S": model.model_dump_json()}


def _to_item(job: Job) -> _Item:
    item: _Item = {name: {"N": str(getattr(job, name))} for name in _NUMBER_FIELDS}
    for name in _TEXT_FIELDS:
        if (text := getattr(job, name)) is not None:
            item[name] = {"S": str(text)}
    for name in _TIME_FIELDS:
        if (moment := getattr(job, name)) is not None:
            item[name] = _time(moment)
    for name in _DOCUMENT_FIELDS:
        document = getattr(job, name)
        if isinstance(document, BaseModel):
            item[name] = _document(document)
    item["result_keys"] = {"S": json.dumps(job.result_keys)}
    return item


def _from_item(item: Mapping[str, AttributeValueTypeDef]) -> Job:
    fields: dict[str, Any] = {"request": None} | {name: int(item[name]["N"]) for name in _NUMBER_FIELDS if name in item}
    fields |= {name: item[name]["S"] for name in (*_TEXT_FIELDS, *_TIME_FIELDS) if name in item}
    fields |= {name: json.loads(item[name]["S"]) for name in _DOCUMENT_FIELDS if name in item}
    if "deliveries" in item:
        fields["deliveries"] = [json.loads(delivery["S"]) for delivery in item["deliveries"]["L"]]
    return Job.model_validate(fields)


def _list_key(job: Job) -> _Item:
    return {"job_id": {"S": job.job_id}, "created_at": _time(job.created_at)}


def _encode_cursor(key: Mapping[str, AttributeValueTypeDef]) -> str:
    return cursors.encode(key["created_at"]["S"], key["job_id"]["S"])


def _decode_cursor(cursor: str, owner: str) -> _Item:
    created_at, job_id = cursors.decode(cursor, 2)
    try:
        # The owner is never taken from the cursor: it would open other people's lists.
        return {"owner": {"S": owner}, "created_at": _time(_parse_time(created_at)), "job_id": {"S": job_id}}
    except ValueError as error:
        raise cursors.unknown_cursor() from error


def _parse_time(text: str) -> datetime:
    return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
