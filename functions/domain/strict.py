"""What every document that crosses a border is: it does not change, and it holds no field that nobody knows."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A model whose instances are frozen and whose unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
