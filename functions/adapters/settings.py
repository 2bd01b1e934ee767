"""What the template tells the functions, read from the environment once per process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Json

from domain.estimate import EstimateRates
from domain.open_buckets import BucketGrant

_Name = Annotated[str, Field(min_length=1)]


class Settings(BaseModel):
    """One field per variable of ``Globals.Function.Environment`` in ``template.yaml``, in lower case.

    ``source_buckets`` are the buckets besides ``media_bucket`` that s3:// sources may name, ``output_buckets`` those
    that results may be copied to; ``bucket_grants`` say which of them are only some owners'. With an empty
    ``link_signer_role_arn`` links are signed by whatever credentials the process has.
    """

    model_config = ConfigDict(frozen=True)

    jobs_table: _Name
    idempotency_table: _Name
    tenant_table: _Name
    access_keys_table: _Name
    secrets_key: _Name
    media_bucket: _Name
    source_buckets: frozenset[str]
    output_buckets: frozenset[str]
    bucket_grants: tuple[BucketGrant, ...]
    callback_queue_url: _Name
    allow_loopback_callbacks: bool
    job_queues: Annotated[frozenset[_Name], Field(min_length=1)]
    state_machine_arn: _Name
    link_signer_role_arn: str
    link_lifetime_seconds: Annotated[int, Field(ge=1, le=3000)]
    public_s3_endpoint: str
    estimate_rates: Json[EstimateRates]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables of the same names in upper case.

        Raises:
            pydantic.ValidationError: one is missing or out of bounds: a deployment at fault.
            ValueError: a grant of a bucket cannot be read: likewise.
        """
        given = {name: environment[name.upper()] for name in cls.model_fields if name.upper() in environment}
        named: dict[str, Any] = {
            name: frozenset(filter(None, given.pop(name).split(",")))
            for name in ("source_buckets", "output_buckets", "job_queues")
            if name in given
        }
        if "bucket_grants" in given:
            texts = filter(None, given.pop("bucket_grants").split(","))
            named["bucket_grants"] = tuple(map(BucketGrant.parse, texts))
        return cls.model_validate({**given, **named})


def process_settings() -> Settings:
    """Read this process's settings.

    Raises:
        pydantic.ValidationError: see ``Settings.from_environment``.
    """
    return Settings.from_environment(os.environ)
