"""The bucket: small JSON documents between the stages, facts about objects, and where sources lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, TypeVar

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from pydantic import BaseModel, ValidationError

from domain import storage_keys
from domain.errors import InvalidRequestError, SourceNotFoundError, UploadNotFoundError
from domain.job import ObjectRef
from domain.open_buckets import OpenBuckets
from domain.progress import StageProgress
from domain.storage_keys import JobKeys

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

_Document = TypeVar("_Document", bound=BaseModel)
_UPLOAD_FIELD = "source.upload_id"
# At most ten parts wait in memory; 1 GB makes 64 of them.
_TRANSFER = TransferConfig(multipart_chunksize=16 << 20, max_concurrency=4)
# 403 too: without the right to list, S3 does not tell a missing object from a forbidden one.
_MISSING = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound", "NoSuchBucket", "403", "AccessDenied"})


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What HEAD tells about one version of an object."""

    ref: ObjectRef
    size_bytes: int
    last_modified: datetime
    metadata: dict[str, str] = field(default_factory=dict)


class MediaBucket:
    """Reads and writes in the media bucket; reads heads of objects in the buckets that sources may come from."""

    def __init__(self, client: S3Client, bucket: str, sources: OpenBuckets) -> None:
        self._client = client
        self.name = bucket
        self._sources = sources.without(bucket)

    def head(self, ref: ObjectRef) -> ObjectFacts:
        """Look at one object, pinning the version that is current now.

        Raises:
            SourceNotFoundError: it does not exist, or may not be read.
        """
        version: dict[str, Any] = {"VersionId": ref.version_id} if ref.version_id else {}
        try:
            answer = self._client.head_object(Bucket=ref.bucket, Key=ref.key, **version)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            raise SourceNotFoundError(
                f"there is no object s3://{ref.bucket}/{ref.key}, or it may not be read", field="source"
            ) from error
        pinned = ref.model_copy(update={"version_id": ref.version_id or _real_version(answer.get("VersionId"))})
        return ObjectFacts(pinned, answer["ContentLength"], answer["LastModified"], answer["Metadata"])

    def find_upload(self, upload_id: str, owner: str, field: str = _UPLOAD_FIELD) -> ObjectFacts:
        """Find the one object of an upload; ``field`` is where the request names it.

        Raises:
            UploadNotFoundError: unknown, somebody else's, or nothing was uploaded to it.
        """
        prefix = storage_keys.upload_prefix(owner, upload_id)
        listed = self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, MaxKeys=1)
        contents = listed.get("Contents", [])
        if not contents:
            raise UploadNotFoundError(f"nothing was uploaded to {upload_id}, or it has expired", field=field)
        return self.head(ObjectRef(bucket=self.name, key=contents[0]["Key"]))

    def find_object(self, s3_uri: str, owner: str) -> ObjectFacts:
        """Find the object of an s3:// source; in the service's own bucket, only what the owner has put there.

        Raises:
            InvalidRequestError: its bucket, or its place in it, is not one that sources may come from.
            SourceNotFoundError: it does not exist.
        """
        # Not by a parser of URLs: an object's key may hold a question mark.
        bucket, _, key = s3_uri.removeprefix("s3://").partition("/")
        prefixes = storage_keys.open_to(owner)
        is_own = bucket == self.name and key.startswith(prefixes)
        if not is_own and not self._sources.admits(owner, bucket, key):
            raise InvalidRequestError(
                f"sources may not come from there in the bucket {bucket}",
                field="source.s3_uri",
                allowed=", ".join((*map(self.uri, prefixes), *self._sources.addresses(owner))),
            )
        return self.head(ObjectRef(bucket=bucket, key=key))

    def uri(self, key: str) -> str:
        """Return the address of a key of this bucket."""
        return f"s3://{self.name}/{key}"

    def read(self, key: str, model: type[_Document]) -> _Document | None:
        """Read a JSON document, or return None if there is none.

        Raises:
            pydantic.ValidationError: it is not what ``model`` describes.
        """
        try:
            answer = self._client.get_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            return None
        return model.model_validate_json(answer["Body"].read())

    def write(self, key: str, document: BaseModel) -> None:
        """Write a JSON document."""
        self._client.put_object(
            Bucket=self.name, Key=key, Body=document.model_dump_json().encode(), ContentType="application/json"
        )

    def keys(self, prefix: str, most: int) -> tuple[str, ...]:
        """Return the first ``most`` keys under a prefix, in the order of the alphabet."""
        listed = self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, MaxKeys=most)
        return tuple(item["Key"] for item in listed.get("Contents", []))

    def read_bytes(self, ref: ObjectRef, most: int) -> bytes:
        """Read an object, at most its first ``most`` bytes."""
        version: dict[str, Any] = {"VersionId": ref.version_id} if ref.version_id else {}
        return self._client.get_object(Bucket=ref.bucket, Key=ref.key, **version)["Body"].read(most)

    def write_bytes(self, key: str, data: bytes, content_type: str) -> ObjectRef:
        """Write an object, and return the version that it has now."""
        answer = self._client.put_object(Bucket=self.name, Key=key, Body=data, ContentType=content_type)
        return ObjectRef(bucket=self.name, key=key, version_id=_real_version(answer.get("VersionId")))

    def delete(self, key: str) -> None:
        """Delete an object; its versions go as the bucket's rules say."""
        self._client.delete_object(Bucket=self.name, Key=key)

    def store(self, key: str, body: IO[bytes]) -> None:
        """Write what ``body`` yields, in parts as it comes; nothing is left behind if reading it fails."""
        self._client.upload_fileobj(body, self.name, key, Config=_TRANSFER)

    def progress_reports(self, job_id: str) -> tuple[StageProgress, ...]:
        """Read what the worker stages of a job last reported."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=JobKeys(job_id).progress_prefix
        )
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return tuple(report for report in map(self._progress_report, keys) if report is not None)

    def remove_job(self, job_id: str) -> None:
        """Delete what the steps of a job have written: its work and its result, not its source."""
        for prefix in JobKeys(job_id).prefixes:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
                keys: list[ObjectIdentifierTypeDef] = [{"Key": item["Key"]} for item in page.get("Contents", [])]
                if keys:
                    self._client.delete_objects(Bucket=self.name, Delete={"Objects": keys, "Quiet": True})

    def _progress_report(self, key: str) -> StageProgress | None:
        try:
            return self.read(key, StageProgress)
        except ValidationError:
            # Progress is a courtesy: a report of a newer worker must not make the job's status unreadable.
            return None


def _real_version(version_id: str | None) -> str | None:
    # A bucket without versioning answers the text "null".
    return None if version_id in (None, "null") else version_id
