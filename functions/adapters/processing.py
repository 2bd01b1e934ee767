"""What the state machine's functions do with a job: fetch, probe, plan, record the result or the failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING

from adapters.job_progress import reached
from domain import limits, planning
from domain.detection import Detection
from domain.errors import InvalidTransitionError
from domain.failure import job_error
from domain.job import Job, JobError, JobRequest, JobStatus, ObjectRef, ResultFacts, SourceFacts, Stage
from domain.scheduling import Scheduling, pieces_at_once, scheduling_of
from domain.storage_keys import JobKeys
from domain.work_order import LibraryIcon, Plan, PreviewManifest, ResultManifest, WorkOrder

if TYPE_CHECKING:
    from adapters.icons import Icons
    from adapters.job_end import JobEnd
    from adapters.jobs_table import JobsTable
    from adapters.media_bucket import MediaBucket, ObjectFacts
    from adapters.output_buckets import OutputBuckets
    from adapters.own_models import OwnModels
    from adapters.source_fetcher import SourceFetcher

# The function has 900 seconds, and wants some to end in good order.
_FETCH_SECONDS = 840.0


class MissingOutputError(Exception):
    """Raised when a stage that ended well has left no output: a fault of ours, not of the file."""


@dataclass(frozen=True, slots=True)
class Processing:
    """The steps of one job. ``clock`` tells the present time in UTC."""

    jobs: JobsTable
    media: MediaBucket
    outputs: OutputBuckets
    icons: Icons
    models: OwnModels
    fetcher: SourceFetcher
    end: JobEnd
    clock: Callable[[], datetime]

    def fetch_source(self, job_id: str) -> int:
        """Stream the file behind a job's URL into the bucket; return its size in bytes.

        Raises:
            BadSourceError, InvalidRequestError: see ``SourceFetcher.download``.
            InvalidTransitionError: the job was cancelled.
        """
        self.jobs.enter_stage(job_id, Stage.FETCH)
        url = _request(self.jobs.get(job_id)).source.url
        assert url is not None  # only such a job is sent here
        key = JobKeys(job_id).fetched_source

        def store(body: IO[bytes]) -> None:
            self.media.store(key, body)

        size_bytes = self.fetcher.download(url, store, _FETCH_SECONDS)
        self.jobs.set_source(job_id, ObjectRef(bucket=self.media.name, key=key))
        return size_bytes

    def probe_source(
        self, job_id: str, probe: Callable[[ObjectFacts], SourceFacts]
    ) -> tuple[str, WorkOrder, Scheduling]:
        """Look into the source, write the work order, set the job running.

        Returns the order's address, the order, and how its work is scheduled.

        Raises:
            BadSourceError: what was asked for cannot work on this file.
            ModelNotFoundError: the model that it names was taken away.
            InvalidTransitionError: the job was cancelled.
        """
        self.jobs.enter_stage(job_id, Stage.PROBE)
        job = self.jobs.get(job_id)
        request = _request(job)
        assert job.source_object is not None  # set at submission or by fetch_source
        found = self.media.head(job.source_object)
        limits.check_size(found.size_bytes)
        facts = probe(found)
        limits.check_source(facts, request.erase, request.upscale)
        order = WorkOrder(
            job_id=job_id,
            source=found.ref,
            source_facts=facts,
            erase=request.erase,
            upscale=request.upscale,
            preview=request.preview,
            icon_library=self._icon_library(job, request),
            upscale_model=self._upscale_model(request),
        )
        key = JobKeys(job_id).work_order
        self.media.write(key, order)
        self.jobs.start(job_id, facts, self.clock())
        return self.media.uri(key), order, scheduling_of(job.owner, request.priority)

    def _icon_library(self, job: Job, request: JobRequest) -> tuple[LibraryIcon, ...]:
        icons = None if request.erase is None else request.erase.icons
        if icons is None or icons.erase_everything:  # then nothing is looked for
            return ()
        return self.icons.library(job.owner, icons.kinds)

    def _upscale_model(self, request: JobRequest) -> ObjectRef | None:
        name = None if request.upscale is None else request.upscale.model
        return None if name is None else self.models.find(name)

    def plan_segments(self, job_id: str) -> tuple[Plan, int]:
        """Cut the video into pieces; return them, and how many are to be worked on at a time.

        Raises:
            MissingOutputError: detect has left nothing.
            InvalidTransitionError: the job was cancelled.
        """
        keys = JobKeys(job_id)
        detection = self.media.read(keys.detection, Detection)
        if detection is None:
            raise MissingOutputError(f"there is no {keys.detection}")
        plan = planning.plan_segments(detection)
        self.media.write(keys.plan, plan)
        self.jobs.set_segment_count(job_id, len(plan.segments))
        job = self.jobs.get(job_id)
        return plan, pieces_at_once(job.pieces_at_once, _request(job).priority)

    def record_result(self, job_id: str) -> ResultFacts:
        """Copy a job's result to its output, mark it as succeeded, and tell of it.

        Called again, it tells only of what was not told.

        Raises:
            MissingOutputError: the last stage has left nothing.
            OutputNotWritableError: S3 refuses the copy.
            InvalidTransitionError: the job was cancelled.
        """
        job = self.jobs.get(job_id)
        keys, request = JobKeys(job_id), _request(job)
        files, manifest = self._published_preview(keys) if request.preview else self._published_video(keys)
        facts = ResultFacts.model_validate(manifest.model_dump(include=set(ResultFacts.model_fields)))
        if job.output_object is not None and not job.status.is_final:
            # Before the record says so. Once it does, the copy is its owner's: it may be gone, or replaced.
            self.outputs.copy(files[request.output_name], job.output_object)
        self.jobs.succeed(job_id, files, facts, self.clock())
        self.end.settle(self.jobs.get(job_id), manifest.machine_seconds)
        return facts

    def _published_video(self, keys: JobKeys) -> tuple[dict[str, str], ResultManifest]:
        manifest = self.media.read(keys.result_manifest, ResultManifest)
        if manifest is None:
            raise MissingOutputError(f"there is no {keys.result_manifest}")
        return manifest.files.model_dump(exclude_none=True), manifest

    def _published_preview(self, keys: JobKeys) -> tuple[dict[str, str], PreviewManifest]:
        manifest = self.media.read(keys.preview_manifest, PreviewManifest)
        if manifest is None:
            raise MissingOutputError(f"there is no {keys.preview_manifest}")
        return manifest.files, manifest

    def record_failure(self, job_id: str, error_name: str, cause: str) -> JobError:
        """Mark a job as failed, unless it has ended already, and tell of its end; return why it failed.

        Of several failures the first one stays: that of a piece before that of the whole. A job that succeeded comes
        here too when its result was recorded but could not be told of.

        Raises:
            JobNotFoundError: the execution has no job.
        """
        job = self.jobs.get(job_id)
        error = job_error(error_name, cause, self.media.read(JobKeys(job_id).error, JobError))
        try:
            self.jobs.fail(job_id, error, self.clock(), reached(job, self.media))
        except InvalidTransitionError as ended:
            # Cancelled, or ended while this report was on its way: what is recorded stands.
            error = JobError(code=ended.code, message=ended.message)
        job = self.jobs.get(job_id)
        if job.status is JobStatus.CANCELLED:
            # What its workers wrote between the cancellation and their end.
            self.media.remove_job(job_id)
        self.end.settle(job)
        return job.error or error


def _request(job: Job) -> JobRequest:
    assert job.request is not None  # a job without a request has failed before it was started
    return job.request
