"""ProbeSource, a step of the state machine: refuses what cannot work before a GPU is rented."""

from __future__ import annotations

from typing import Any

from adapters.media_bucket import ObjectFacts
from adapters.media_probe import probe
from adapters.observed import observed_step
from adapters.ranged_object import open_ranged
from adapters.service import current_service
from domain.job import SourceFacts


def probe_source(job_id: str, _payload: dict[str, Any]) -> dict[str, Any]:
    """Look into the source; answer where the work order lies and which functions it asks for."""
    service = current_service()

    def look(found: ObjectFacts) -> SourceFacts:
        with open_ranged(service.s3, found.ref, found.size_bytes) as file:
            return probe(file, found.size_bytes)

    uri, order, scheduling = service.processing.probe_source(job_id, look)
    return {
        "work_order_uri": uri,
        "preview": order.preview,
        "erase": order.erase is not None,
        "upscale": order.upscale is not None,
        "share": scheduling.share,
        "priority": scheduling.priority,
    }


handler = observed_step(probe_source)
