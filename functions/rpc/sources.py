"""Object addresses as RPC callers write them: OSS URLs, https URLs and media IDs."""

from __future__ import annotations

from domain.errors import InvalidRequestError

_S3_SCHEMES = ("s3://", "oss://")


def source_of_url(url: str, field: str) -> dict[str, str]:
    """Return the ``source`` of a job for an object's URL; a bucket of ``oss://`` is one of S3.

    Raises:
        InvalidRequestError: it is empty.
    """
    if not url:
        raise InvalidRequestError(f"{field} is empty", field=field)
    for scheme in _S3_SCHEMES:
        if url.startswith(scheme):
            return {"s3_uri": f"s3://{url.removeprefix(scheme)}"}
    return {"url": url}
