"""An S3 object as a seekable file: the probe reads a video's tables without downloading its pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from domain.job import ObjectRef

# FFmpeg reads 32 KB at a time: large enough that few reads need a request, small enough that a look at the end is
# cheap.
_BLOCK_BYTES = 1 << 20


class RangedObject(io.RawIOBase):
    """Reads one version of an object of ``size_bytes`` by ranged requests."""

    def __init__(self, client: S3Client, ref: ObjectRef, size_bytes: int) -> None:
        super().__init__()
        self._client = client
        self._ref = ref
        self._size_bytes = size_bytes
        self._position = 0

    def readable(self) -> bool:
        """Tell that it reads."""
        return True

    def seekable(self) -> bool:
        """Tell that it seeks; that costs nothing."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another byte; return its number."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer`` by one request; return how many bytes came, 0 at the end."""
        end = min(self._position + len(buffer), self._size_bytes)
        if end <= self._position:
            return 0
        version: dict[str, Any] = {"VersionId": self._ref.version_id} if self._ref.version_id else {}
        answer = self._client.get_object(
            Bucket=self._ref.bucket, Key=self._ref.key, Range=f"bytes={self._position}-{end - 1}", **version
        )
        data = answer["Body"].read()
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def open_ranged(client: S3Client, ref: ObjectRef, size_bytes: int) -> io.BufferedReader:
    """Open an object for buffered, seekable reading."""
    return io.BufferedReader(RangedObject(client, ref, size_bytes), _BLOCK_BYTES)
