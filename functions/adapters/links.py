"""Links and forms that clients follow without credentials of their own, signed when somebody asks for them.

A signed link dies with the credentials that signed it, whatever lifetime is written into it. So they are signed by a
role session made for the purpose, which is renewed while it still outlives a link.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from domain import storage_keys
from domain.job import ObjectRef
from domain.job_view import Links, Upload
from domain.limits import MAX_SOURCE_BYTES, UPLOAD_LIFETIME_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# Clocks differ a little, and a client needs a moment between the answer and the download.
_MARGIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Signer:
    """A client whose credentials last until ``expires_at``; None for credentials without an end."""

    client: S3Client
    expires_at: datetime | None


class LinkSigner:
    """Makes links to results and forms for uploads.

    ``new_signer`` opens a session; ``clock`` tells the present time in UTC.
    """

    def __init__(
        self, new_signer: Callable[[], Signer], bucket: str, lifetime_seconds: int, clock: Callable[[], datetime]
    ) -> None:
        self._new_signer = new_signer
        self._bucket = bucket
        self._lifetime = timedelta(seconds=lifetime_seconds)
        self._clock = clock
        self._signer: Signer | None = None

    def links(self, keys: Mapping[str, str], output: ObjectRef | None = None) -> Links:
        """Return a download link for each key, and one named ``output`` for a copy that lies elsewhere.

        All of them last for the configured lifetime.
        """
        client = self._outliving(self._lifetime).client
        objects = {name: (self._bucket, key) for name, key in keys.items()}
        if output is not None:
            objects["output"] = (output.bucket, output.key)
        urls = {
            name: client.generate_presigned_url(
                "get_object",
                Params={"Bucket": bucket, "Key": key},
                ExpiresIn=int(self._lifetime.total_seconds()),
            )
            for name, (bucket, key) in objects.items()
        }
        return Links(urls=urls, expires_at=self._clock() + self._lifetime)

    def upload_form(self, owner: str, upload_id: str, file_name: str) -> Upload:
        """Return a form for one file of 1 byte to 1 GB under the prefix of the owner's upload.

        The form is taken for a day, or as long as the signing session lives where that is shorter.
        """
        signer = self._outliving(self._lifetime)
        now = self._clock()
        day = now + timedelta(seconds=UPLOAD_LIFETIME_SECONDS)
        until = day if signer.expires_at is None else min(day, signer.expires_at)
        form = signer.client.generate_presigned_post(
            Bucket=self._bucket,
            Key=storage_keys.upload(owner, upload_id, file_name),
            Conditions=[["content-length-range", 1, MAX_SOURCE_BYTES]],
            ExpiresIn=int((until - now).total_seconds()),
        )
        return Upload(
            upload_id=upload_id, url=form["url"], fields=form["fields"], form_expires_at=until, expires_at=day
        )

    def _outliving(self, lifetime: timedelta) -> Signer:
        if self._signer is None or self._ends_before(self._signer, self._clock() + lifetime + _MARGIN):
            self._signer = self._new_signer()
        return self._signer

    @staticmethod
    def _ends_before(signer: Signer, moment: datetime) -> bool:
        return signer.expires_at is not None and signer.expires_at < moment
