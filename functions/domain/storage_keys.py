"""Every key under the bucket, in one place: who writes it stands in the design's table."""

from __future__ import annotations

import re

from domain.access import OWNER_PATTERN
from domain.errors import InvalidRequestError

INBOX_PREFIX = "inbox/"
UPLOAD_PREFIX = "uploads/"
MODEL_PREFIX = "models/"
MODEL_SUFFIX = ".onnx"


def upload(owner: str, upload_id: str, file_name: str) -> str:
    """Return the key that a presigned upload writes."""
    return f"{upload_prefix(owner, upload_id)}{file_name}"


def upload_prefix(owner: str, upload_id: str) -> str:
    """Return the prefix under which exactly one uploaded object lies."""
    return f"{UPLOAD_PREFIX}{owner}/{upload_id}/"


def open_to(owner: str) -> tuple[str, ...]:
    """Return the prefixes of the service's own bucket that an owner may name as a source."""
    return f"{INBOX_PREFIX}{owner}/", f"{UPLOAD_PREFIX}{owner}/"


def inbox_owner(key: str) -> str:
    """Return whose inbox an object lies in: ``inbox/OWNER/…``.

    Raises:
        InvalidRequestError: it lies in none.
    """
    owner, _, name = key.removeprefix(INBOX_PREFIX).partition("/")
    if not key.startswith(INBOX_PREFIX) or not name or name.endswith("/") or not re.fullmatch(OWNER_PATTERN, owner):
        raise InvalidRequestError(f"{key} lies in nobody's inbox", field="key", allowed=f"{INBOX_PREFIX}OWNER/NAME")
    return owner


def icon(owner: str, icon_id: str) -> str:
    """Return the key of the picture of an icon in the library, whatever it is."""
    return f"icons/{owner}/{icon_id}"


def model(name: str) -> str:
    """Return the key of a network that the service's operator has put there."""
    return f"{MODEL_PREFIX}{name}{MODEL_SUFFIX}"


def usage_export(export_id: str) -> str:
    """Return the key of a CSV of usage records; its ID is known only to who asked for it."""
    return f"exports/{export_id}.csv"


class JobKeys:
    """The keys of one job. ``root`` is empty on a laptop, where the work folder holds one job."""

    def __init__(self, job_id: str | None) -> None:
        self._work = f"jobs/{job_id}/" if job_id else ""
        self._results = f"results/{job_id}/" if job_id else "results/"

    @property
    def prefixes(self) -> tuple[str, str]:
        """Prefixes under which everything of the job lies, its work and its result."""
        return self._work, self._results

    # --- written by the functions
    @property
    def fetched_source(self) -> str:
        """Source file that FetchSource streamed in."""
        return f"{self._work}source"

    @property
    def work_order(self) -> str:
        """Work order: what the worker is to do (ProbeSource)."""
        return f"{self._work}work_order.json"

    @property
    def plan(self) -> str:
        """Segments of the video (PlanSegments)."""
        return f"{self._work}plan.json"

    # --- written by the worker's stages
    @property
    def detection(self) -> str:
        """Shots and caption events (detect)."""
        return f"{self._work}detection.json"

    @property
    def error(self) -> str:
        """Typed error of the stage that ended with exit code 2."""
        return f"{self._work}error.json"

    @property
    def progress_prefix(self) -> str:
        """Prefix of all progress reports."""
        return f"{self._work}progress/"

    def progress(self, stage: str, segment: int = 0) -> str:
        """Progress of one stage on one segment."""
        return f"{self.progress_prefix}{stage}-{segment:05d}.json"

    def stage_record(self, stage: str, segment: int = 0) -> str:
        """What one stage did on one segment; written after all its other outputs, so that it marks them complete."""
        return f"{self._work}stages/{stage}-{segment:05d}.json"

    def segment_file(self, segment: int, name: str) -> str:
        """Output of a stage for one segment, for instance its patches or its encoded piece."""
        return f"{self._work}segments/{segment:05d}/{name}"

    # --- written by assemble
    def result(self, name: str) -> str:
        """One file of the result."""
        return f"{self._results}{name}"

    @property
    def preview_manifest(self) -> str:
        """List of a preview's files (preview); written last."""
        return f"{self._work}preview.json"

    @property
    def result_manifest(self) -> str:
        """List of the published files; written last, so that its presence means a complete result."""
        return f"{self._work}result.json"
