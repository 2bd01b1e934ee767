"""How a job came in by Action RPC: kept on its record, to be given back in a query as it was sent."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Origin(BaseModel):
    """The RPC operation that made a job, and the parameters that it was called with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: str
    parameters: dict[str, str]
