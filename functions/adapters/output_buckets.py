"""The buckets that results are copied to: which ones may be named, and the copying."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from domain import output_location
from domain.errors import InvalidRequestError, OutputNotWritableError
from domain.job import ObjectRef, Output
from domain.open_buckets import OpenBuckets

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# S3 copies some hundred megabytes in a few seconds, and parts side by side; in one piece it takes at most 5 GB.
_PART_BYTES = 256 << 20
_CONTENT_TYPES: Mapping[str, str] = {".mp4": "video/mp4", ".srt": "application/x-subrip"}
_FAULT_OF_S3 = 500


class OutputBuckets:
    """Copies files of the media bucket to the buckets that the stack's owner has opened for it.

    The media bucket itself is never one of them: every owner's files lie there.
    """

    def __init__(self, client: S3Client, media_bucket: str, opened: OpenBuckets, part_bytes: int = _PART_BYTES) -> None:
        self._client = client
        self._media_bucket = media_bucket
        self._opened = opened.without(media_bucket)
        self._transfer = TransferConfig(multipart_threshold=part_bytes, multipart_chunksize=part_bytes)

    def locate(self, output: Output, owner: str, file_name: str, submitted_at: datetime) -> ObjectRef:
        """Return the object that an output's address stands for; ``file_name`` is that of the source.

        Raises:
            InvalidRequestError: the place is not open for this owner's outputs, or the key is no good.
        """
        found = output_location.locate(output, file_name, submitted_at)
        if not self._opened.admits(owner, found.bucket, found.key):
            raise InvalidRequestError(
                f"results are not copied there in the bucket {found.bucket}",
                field="output.s3_uri",
                allowed=", ".join(self._opened.addresses(owner)) or "nowhere: no bucket is open for outputs",
            )
        return found

    def copy(self, key: str, to: ObjectRef) -> None:
        """Copy a file of the media bucket, within S3; again, it writes the same once more.

        Raises:
            OutputNotWritableError: S3 refuses to write there.
        """
        suffix = PurePosixPath(key).suffix
        try:
            self._client.copy(
                {"Bucket": self._media_bucket, "Key": key},
                to.bucket,
                to.key,
                # Said again, because a copy in parts would forget it.
                ExtraArgs={"ContentType": _CONTENT_TYPES[suffix], "MetadataDirective": "REPLACE"},
                Config=self._transfer,
            )
        except ClientError as error:
            is_of_source = error.operation_name == "HeadObject"
            if is_of_source or error.response["ResponseMetadata"]["HTTPStatusCode"] >= _FAULT_OF_S3:
                raise
            code = error.response["Error"]["Code"]
            raise OutputNotWritableError(f"S3 refused to write s3://{to.bucket}/{to.key}: {code}") from error
