"""PlanSegments, a step of the state machine: cuts the video into pieces that need nothing of each other."""

from __future__ import annotations

from typing import Any

from adapters.observed import observed_step
from adapters.service import current_service


def plan_segments(job_id: str, _payload: dict[str, Any]) -> dict[str, Any]:
    """Answer the pieces' numbers, and how many are worked on at a time; what they are stands in the bucket."""
    plan, parallel = current_service().processing.plan_segments(job_id)
    return {"segments": [{"index": segment.index} for segment in plan.segments], "parallel": parallel}


handler = observed_step(plan_segments)
