"""Which buckets outside of the service an owner may read sources from, or have results copied to, and where in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from domain.access import OWNER_PATTERN

_BUCKET = r"[a-z0-9.-]{3,63}"
_GRANT = re.compile(rf"({OWNER_PATTERN.strip('^$')}):({_BUCKET})(?:/((?:[^,/]+/)*))?")


@dataclass(frozen=True, slots=True)
class BucketGrant:
    """An owner's right to what lies under a prefix of a bucket; the prefix is empty, or ends with a slash."""

    owner: str
    bucket: str
    prefix: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``OWNER:BUCKET``, ``OWNER:BUCKET/`` or ``OWNER:BUCKET/PREFIX/``, as the template's parameter has it.

        Raises:
            ValueError: it is none of these.
        """
        match = _GRANT.fullmatch(text)
        if match is None:
            raise ValueError(f"{text} is no grant of a bucket: write OWNER:BUCKET or OWNER:BUCKET/PREFIX/")
        return cls(match[1], match[2], match[3] or "")


@dataclass(frozen=True, slots=True)
class OpenBuckets:
    """Buckets that the operator has opened.

    One that no grant names is open to every owner; one that a grant names is closed but to those who have one, under
    their prefixes.
    """

    buckets: frozenset[str]
    grants: tuple[BucketGrant, ...] = ()

    def without(self, bucket: str) -> OpenBuckets:
        """Return the others."""
        return OpenBuckets(self.buckets - {bucket}, self.grants)

    def admits(self, owner: str, bucket: str, key: str) -> bool:
        """Tell whether an owner may name an object."""
        if bucket not in self.buckets:
            return False
        granted = [grant for grant in self.grants if grant.bucket == bucket]
        return not granted or any(grant.owner == owner and key.startswith(grant.prefix) for grant in granted)

    def addresses(self, owner: str) -> tuple[str, ...]:
        """Return where an owner may name objects; nothing of what others may."""
        return tuple(sorted(self._addresses(owner)))

    def _addresses(self, owner: str) -> Iterable[str]:
        for bucket in self.buckets:
            granted = [grant for grant in self.grants if grant.bucket == bucket]
            if not granted:
                yield f"s3://{bucket}/"
            for grant in granted:
                if grant.owner == owner:
                    yield f"s3://{bucket}/{grant.prefix}"
