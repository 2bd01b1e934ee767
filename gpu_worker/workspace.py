"""Where a stage reads its input and leaves its output: a bucket on AWS, a folder on one machine. Same keys in both."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import boto3
from botocore.exceptions import ClientError

from domain.errors import SourceNotFoundError
from domain.job import ObjectRef
from domain.storage_keys import JobKeys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".json": "application/json",
    ".png": "image/png",
    ".srt": "application/x-subrip; charset=utf-8",
    ".vtt": "text/vtt; charset=utf-8",
}
_MISSING_CODES = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion"})


class MissingOutputError(Exception):
    """Raised when a stage asks for what an earlier one should have written; the state machine is at fault."""


class Workspace(Protocol):
    """The storage of one job. A key that exists is complete: every write is atomic."""

    @property
    def keys(self) -> JobKeys:
        """Names of everything in it."""
        ...

    @property
    def scratch(self) -> Path:
        """Folder for files in the making; the caller of the stage removes it."""
        ...

    def source(self, source: ObjectRef) -> Path:
        """Return the source video as a local file; raises SourceNotFoundError where it is gone."""
        ...

    def exists(self, key: str) -> bool:
        """Tell whether ``key`` has been written."""
        ...

    def read(self, key: str) -> bytes:
        """Return a small object; raises MissingOutputError."""
        ...

    def write(self, key: str, content: bytes) -> None:
        """Write a small object, all or nothing."""
        ...

    def fetch(self, key: str) -> Path:
        """Return an object as a local file; raises MissingOutputError."""
        ...

    def publish(self, path: Path, key: str) -> None:
        """Store a finished local file, all or nothing; the local file may be gone afterwards."""
        ...


class LocalWorkspace:
    """A folder that holds one job; its source lies anywhere on the same machine."""

    def __init__(self, folder: Path) -> None:
        self.keys = JobKeys(None)
        self._folder = folder
        self.scratch = folder / "scratch"
        self.scratch.mkdir(parents=True, exist_ok=True)

    def source(self, source: ObjectRef) -> Path:
        """Return the path that the source's key is."""
        path = Path(source.key)
        if not path.is_file():
            raise SourceNotFoundError(f"there is no file {path}")
        return path

    def exists(self, key: str) -> bool:
        """Tell whether the file is there."""
        return (self._folder / key).is_file()

    def read(self, key: str) -> bytes:
        """Return a file's content."""
        return self.fetch(key).read_bytes()

    def write(self, key: str, content: bytes) -> None:
        """Write beside the place, then move into it."""
        part = self.scratch / f"{key.replace('/', '-')}.part"
        part.write_bytes(content)
        self.publish(part, key)

    def fetch(self, key: str) -> Path:
        """Return the file itself."""
        path = self._folder / key
        if not path.is_file():
            raise MissingOutputError(f"{key} has not been written")
        return path

    def publish(self, path: Path, key: str) -> None:
        """Move the file to its place."""
        target = self._folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)


class S3Workspace:
    """One job's prefix in a bucket. S3 shows an object only when all of it is there."""

    def __init__(self, bucket: str, keys: JobKeys, scratch: Path, client: S3Client | None = None) -> None:
        self.keys = keys
        self.scratch = scratch
        self._bucket = bucket
        # Endpoint, region and credentials come from the standard AWS environment.
        self._client: S3Client = client or boto3.client("s3")

    def source(self, source: ObjectRef) -> Path:
        """Download the source, once per container."""
        path = self.scratch / "source" / Path(source.key).name
        try:
            return self._download(source.bucket, source.key, path, source.version_id)
        except MissingOutputError as error:
            raise SourceNotFoundError(f"there is no object s3://{source.bucket}/{source.key}") from error

    def exists(self, key: str) -> bool:
        """Ask S3 for the object's head."""
        try:
            self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if _is_missing(error):
                return False
            raise
        return True

    def read(self, key: str) -> bytes:
        """Get a small object in one request."""
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if _is_missing(error):
                raise MissingOutputError(f"s3://{self._bucket}/{key} has not been written") from error
            raise

    def write(self, key: str, content: bytes) -> None:
        """Put a small object in one request."""
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=_content_type(key))

    def fetch(self, key: str) -> Path:
        """Download an object, once per container."""
        return self._download(self._bucket, key, self.scratch / "fetched" / key, None)

    def publish(self, path: Path, key: str) -> None:
        """Upload in parts; S3 joins them in one step."""
        self._client.upload_file(str(path), self._bucket, key, ExtraArgs={"ContentType": _content_type(key)})

    def _download(self, bucket: str, key: str, path: Path, version_id: str | None) -> Path:
        if path.is_file():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        extra = {} if version_id is None else {"VersionId": version_id}
        try:
            self._client.download_file(bucket, key, str(part), ExtraArgs=extra)
        except ClientError as error:
            if _is_missing(error):
                raise MissingOutputError(f"s3://{bucket}/{key} does not exist") from error
            raise
        part.replace(path)
        return path


def copy_atomically(path: Path, target: Path) -> None:
    """Copy a file so that ``target`` is there whole or not at all, also across file systems."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(path, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _content_type(key: str) -> str:
    return _CONTENT_TYPES.get(Path(key).suffix, "application/octet-stream")


def _is_missing(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in _MISSING_CODES
