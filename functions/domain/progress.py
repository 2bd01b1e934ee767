"""How far a job is: stage reports in S3, written by the worker, become one stage and one percentage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from domain.job import JobRequest, Stage

#: Share of a job's time per worker stage, measured on two cores at 720p; only the stages that a job has count.
_WEIGHTS = {Stage.DETECT: 15, Stage.ERASE: 45, Stage.UPSCALE: 35, Stage.ASSEMBLE: 5}


class Reached(NamedTuple):
    """How far a job is: the step that it is in, None before the first and after the last, and the percentage."""

    stage: Stage | None
    percent: int


class StageProgress(BaseModel):
    """One report: ``done`` of ``total`` frames of one segment. ``total`` is an estimate in detect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: Stage
    segment: int = Field(default=0, ge=0)
    done: int = Field(ge=0)
    total: int = Field(gt=0)
    finished: bool = False

    @property
    def share(self) -> float:
        """Return the share done, 1.0 only when the stage says that it has finished."""
        return 1.0 if self.finished else min(0.99, self.done / self.total)


def stages_of(request: JobRequest) -> tuple[Stage, ...]:
    """Return the worker stages that a request passes through, in order."""
    if request.preview:
        return (Stage.DETECT,)
    wanted = {Stage.DETECT, Stage.ASSEMBLE}
    if request.erase is not None:
        wanted.add(Stage.ERASE)
    if request.upscale is not None:
        wanted.add(Stage.UPSCALE)
    return tuple(stage for stage in _WEIGHTS if stage in wanted)


def overall(request: JobRequest, segment_count: int, reports: Iterable[StageProgress]) -> Reached:
    """Return the latest stage with a report and the percentage of the whole job, 0-99.

    100 is kept for a job whose result is recorded.
    """
    stages = stages_of(request)
    shares = dict.fromkeys(stages, 0.0)
    latest: Stage | None = None
    for report in reports:
        if report.stage not in shares:
            continue
        parallel = segment_count if report.stage in {Stage.ERASE, Stage.UPSCALE} else 1
        shares[report.stage] += report.share / parallel
        if latest is None or stages.index(report.stage) > stages.index(latest):
            latest = report.stage
    total = sum(_WEIGHTS[stage] for stage in stages)
    done = sum(_WEIGHTS[stage] * min(1.0, share) for stage, share in shares.items())
    return Reached(latest, min(99, int(100 * done / total)))
