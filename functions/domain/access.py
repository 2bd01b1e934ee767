"""Who may call, and how much: access keys, their scopes and quotas, and the caller that a checked request has."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from domain.errors import ForbiddenError
from domain.strict import Strict

#: What a key allows that says nothing else; also the most that one execution works on at a time.
PIECES_AT_ONCE = 40
OWNER_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"

#: Whose everything is: a tenant. It stands in keys of the bucket, so its characters are few.
Owner = Annotated[str, Field(pattern=OWNER_PATTERN)]


class Scope(StrEnum):
    """What a key may be used for."""

    READ = "read"
    WRITE = "write"


class Quota(Strict):
    """What one key may use up.

    ``jobs_in_flight`` counts the jobs of this key that have not ended; ``minutes_per_month`` the minutes of video that
    its owner had finished in the running calendar month (UTC); ``requests_per_second`` the requests of this key.
    ``pieces_at_once`` are the pieces of one long video that are worked on at a time, when the job is of first priority.
    """

    jobs_in_flight: Annotated[int, Field(ge=1, le=1000)] = 20
    minutes_per_month: Annotated[int, Field(ge=1, le=10_000_000)] = 6000
    requests_per_second: Annotated[int, Field(ge=1, le=1000)] = 20
    pieces_at_once: Annotated[int, Field(ge=1, le=1000)] = PIECES_AT_ONCE


class AccessKey(Strict):
    """The record of one key, without its secret."""

    key_id: str
    owner: Owner
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    quota: Quota
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None


class KeyQuota(Strict):
    """What one key may use up, and which key it is."""

    key_id: str
    quota: Quota


class Caller(Strict):
    """Who sent a request, as the authorizer found."""

    owner: Owner
    key_id: str
    scopes: frozenset[Scope]
    quota: Quota

    @property
    def key_quota(self) -> KeyQuota:
        """What the caller's key may use up."""
        return KeyQuota(key_id=self.key_id, quota=self.quota)

    def require(self, scope: Scope) -> None:
        """Refuse a caller whose key is not meant for this.

        Raises:
            ForbiddenError: the key has not the scope.
        """
        if scope not in self.scopes:
            given = ", ".join(sorted(self.scopes))
            raise ForbiddenError(f"the access key may not {scope}; its scopes: {given}", allowed=scope)


class Allowance(Strict):
    """What is left of a key's requests in the second that runs; ``reset_seconds`` until the next one."""

    limit: int
    remaining: int
    reset_seconds: int
