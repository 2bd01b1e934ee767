"""Runs one stage by its name, as Batch asks for it, or all stages of a job in turn, as the command line does."""

from __future__ import annotations

from domain.errors import InvalidRequestError
from domain.job import Stage
from domain.planning import TARGET_SEGMENT_SECONDS, plan_segments
from gpu_worker.stages.assemble import assemble
from gpu_worker.stages.detect import detect
from gpu_worker.stages.erase import erase_segment
from gpu_worker.stages.job import StageJob
from gpu_worker.stages.preview import publish_preview
from gpu_worker.stages.upscale import upscale_segment

WORKER_STAGES = (Stage.PREVIEW, Stage.DETECT, Stage.ERASE, Stage.UPSCALE, Stage.ASSEMBLE)


def run_stage(job: StageJob, stage: Stage, segment: int) -> None:
    """Run one stage; at once where its output is there already.

    Raises:
        BadSourceError: one of its subclasses, when the file is at fault.
        InvalidRequestError: when the work order does not ask for this stage.
    """
    if stage is Stage.PREVIEW and job.order.preview:
        publish_preview(job)
    elif stage is Stage.DETECT:
        detect(job)
    elif stage is Stage.ERASE and job.order.erase is not None:
        erase_segment(job, segment)
    elif stage is Stage.UPSCALE and job.order.upscale is not None:
        upscale_segment(job, segment)
    elif stage is Stage.ASSEMBLE:
        assemble(job)
    else:
        raise InvalidRequestError(f"the work order does not ask for the stage {stage.value}")


def run_all(job: StageJob, target_segment_seconds: float = TARGET_SEGMENT_SECONDS) -> None:
    """Run every stage that the order asks for, on one machine.

    Raises:
        BadSourceError: one of its subclasses, when the file is at fault.
    """
    run_stage(job, Stage.DETECT, 0)
    plan = plan_segments(job.detection(), target_segment_seconds)
    job.workspace.write(job.workspace.keys.plan, plan.model_dump_json().encode())
    for segment in plan.segments:
        if job.order.erase is not None:
            run_stage(job, Stage.ERASE, segment.index)
        if job.order.upscale is not None:
            run_stage(job, Stage.UPSCALE, segment.index)
    run_stage(job, Stage.ASSEMBLE, 0)
