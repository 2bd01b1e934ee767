"""Takes a request in: checks its source as far as that is possible at once, records the job, starts its execution."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from adapters.job_progress import reached
from domain import limits, output_location, storage_keys
from domain.access import PIECES_AT_ONCE, KeyQuota
from domain.errors import InvalidRequestError, InvalidTransitionError, JobNotCancellableError, SmartEraseError
from domain.failure import INTERNAL_ERROR
from domain.inbox import request_from_metadata
from domain.job import Job, JobError, JobRequest, JobStatus, ObjectRef
from domain.origin import Origin
from domain.template import TemplateKind

if TYPE_CHECKING:
    from adapters.admission import Admission
    from adapters.callbacks import Callbacks
    from adapters.executions import Executions
    from adapters.job_end import JobEnd
    from adapters.jobs_table import JobsTable
    from adapters.media_bucket import MediaBucket
    from adapters.output_buckets import OutputBuckets
    from adapters.own_models import OwnModels
    from adapters.source_fetcher import SourceFetcher
    from adapters.templates import Templates

# A client waits for the answer meanwhile, and the HTTP API gives up after 30 seconds.
_LOOK_SECONDS = 10.0
# So that the same version of the same object has the same job ID, however often its event is delivered.
_INBOX_NAMESPACE = uuid.UUID("3c6f9d4e-7d0b-5b43-9a55-0f6f6b1f3c11")


@dataclass(frozen=True, slots=True)
class Submission:
    """The ways into and out of the queue. ``clock`` tells the present time in UTC."""

    jobs: JobsTable
    media: MediaBucket
    outputs: OutputBuckets
    executions: Executions
    admission: Admission
    fetcher: SourceFetcher
    models: OwnModels
    templates: Templates
    callbacks: Callbacks
    end: JobEnd
    clock: Callable[[], datetime]

    def submit(
        self, request: JobRequest, owner: str, quota: KeyQuota | None = None, origin: Origin | None = None
    ) -> Job:
        """Record and start a job; ``quota`` is that of the access key that asks for it, ``origin`` its RPC call.

        Raises:
            TooManyRequestsError: the quota is used up.
            InvalidRequestError: the source may not be read from there, the output not written there, or the template
                does not go with the job.
            TemplateNotFoundError: the template is unknown.
            ModelNotFoundError: no model is registered under the name that the upscale gives.
            UploadNotFoundError: the upload is unknown or has expired.
            BadSourceError: the source does not exist, does not answer, or is too large.
        """
        now, source_object = self.clock(), self._check_source(request, owner)
        job = Job(
            job_id=str(uuid.uuid4()),
            owner=owner,
            request=self.templates.fill_in(request, owner),
            origin=origin,
            created_at=now,
            callback=self.callbacks.of_request(request, owner),
            source_object=source_object,
            output_object=self._locate_output(request, owner, source_object, now),
            pieces_at_once=PIECES_AT_ONCE if quota is None else quota.quota.pieces_at_once,
        )
        if request.upscale is not None and request.upscale.model is not None:
            self.models.find(request.upscale.model)
        if quota is not None:
            self.admission.admit(quota, owner, job.job_id)
        self.jobs.put_new(job)
        try:
            self.executions.start(job.job_id, fetch=job.source_object is None)
        except Exception:
            # The caller is told that it failed: no record may wait for an execution that never comes.
            self.jobs.fail(job.job_id, INTERNAL_ERROR, self.clock())
            self.end.settle(self.jobs.get(job.job_id))
            raise
        return job

    def submit_from_inbox(self, ref: ObjectRef) -> Job:
        """Record and start the job of an object version under ``inbox/``, once however often the event comes.

        An object whose settings cannot be read gets a failed job that says why.

        Raises:
            InvalidRequestError: the object lies under no owner's prefix, so the job would be nobody's.
        """
        owner = storage_keys.inbox_owner(ref.key)
        now = self.clock()
        job_id = str(uuid.uuid5(_INBOX_NAMESPACE, f"{ref.bucket}/{ref.key}/{ref.version_id}"))
        job = Job(job_id=job_id, owner=owner, request=None, created_at=now, source_object=ref)
        try:
            found = self.media.head(ref)
            limits.check_size(found.size_bytes)
            default = self.templates.default(TemplateKind.CAPTION, owner) or self.templates.default(
                TemplateKind.ICON, owner
            )
            request = request_from_metadata(
                f"s3://{ref.bucket}/{ref.key}", found.metadata, None if default is None else default.template_id
            )
            job = job.model_copy(update={"request": self.templates.fill_in(request, owner)})
        except SmartEraseError as error:
            failure = {"error": JobError(code=error.code, message=error.message), "finished_at": now}
            job = job.model_copy(update={"status": JobStatus.FAILED, **failure})
        if not self.jobs.put_new(job):
            job = self.jobs.get(job_id)
        if job.status is JobStatus.QUEUED:
            # Also for a record that was there: the function may have ended between record and start.
            self.executions.start(job_id, fetch=False)
        if job.status.is_final:
            self.end.settle(job)
        return job

    def cancel(self, job_id: str, owner: str) -> Job:
        """Cancel a job, stop its work and remove what it has made; the same call again only makes sure of that.

        Raises:
            JobNotFoundError: there is none, or it is somebody else's.
            JobNotCancellableError: it has ended already.
        """
        job = self.jobs.get(job_id, owner)
        try:
            # The record first: an execution that is stopped must not be taken for one that failed.
            self.jobs.cancel(job_id, self.clock(), reached(job, self.media))
        except InvalidTransitionError as error:
            raise JobNotCancellableError(f"{error.message}; it can no longer be cancelled", field="job_id") from error
        self.executions.stop(job_id)
        self.media.remove_job(job_id)
        job = self.jobs.get(job_id, owner)
        self.end.settle(job)
        return job

    def _check_source(self, request: JobRequest, owner: str) -> ObjectRef | None:
        source = request.source
        if source.url is not None:
            self.fetcher.look(source.url, _LOOK_SECONDS)
            return None
        if source.upload_id is not None:
            found = self.media.find_upload(source.upload_id, owner)
            limits.check_upload_age(source.upload_id, found.last_modified, self.clock(), field="source.upload_id")
        else:
            assert source.s3_uri is not None  # exactly one of the three is given
            found = self.media.find_object(source.s3_uri, owner)
        limits.check_size(found.size_bytes)
        return found.ref

    def _locate_output(
        self, request: JobRequest, owner: str, source: ObjectRef | None, now: datetime
    ) -> ObjectRef | None:
        if request.output is None:
            return None
        name = output_location.source_name(request.source, source)
        output = self.outputs.locate(request.output, owner, name, now)
        if source is not None and output.uri == source.uri:
            raise InvalidRequestError("the output would replace the source", field="output.s3_uri")
        return output
