"""Object addresses as RPC callers write them: OSS URLs, https URLs and media IDs."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from domain.errors import InvalidRequestError

_S3_SCHEMES = ("s3://", "oss://")
# The bucket in the host's name: BUCKET.s3.REGION.amazonaws.com, BUCKET.oss-REGION.aliyuncs.com.
_STORES = r"s3(?:[.-][a-z0-9-]+)?\.amazonaws|oss-[a-z0-9-]+\.aliyuncs"
_BUCKET_HOST = re.compile(rf"(?P<bucket>[a-z0-9.-]+?)\.(?:{_STORES})\.com")


def source_of_url(url: str, field: str) -> dict[str, str]:
    """Return the ``source`` of a job for an object's URL; a bucket of ``oss://`` is one of S3.

    Raises:
        InvalidRequestError: it is empty.
    """
    if not url:
        raise InvalidRequestError(f"{field} is empty", field=field)
    s3_uri = _s3_uri(url)
    return {"url": url} if s3_uri is None else {"s3_uri": s3_uri}


def output_of_url(url: str, field: str) -> dict[str, str]:
    """Return the ``output`` of a job for an object's URL; a bucket of OSS is one of S3.

    Raises:
        InvalidRequestError: it names no object of a bucket.
    """
    s3_uri = _s3_uri(url)
    if s3_uri is not None:
        return {"s3_uri": s3_uri}
    bucket_and_path = _bucket_and_path(url)
    if bucket_and_path is None:
        raise InvalidRequestError(
            f"{field} is no address of an object",
            field=field,
            allowed="oss://BUCKET/KEY, s3://BUCKET/KEY, https://BUCKET.s3.REGION.amazonaws.com/KEY",
        )
    return {"s3_uri": f"s3://{bucket_and_path}"}


def _bucket_and_path(url: str) -> str | None:
    try:
        parts = urlsplit(url, allow_fragments=False)
    except ValueError:
        return None
    host = _BUCKET_HOST.fullmatch(parts.netloc)
    if host is None or parts.scheme not in {"http", "https"} or parts.query:
        return None
    return host["bucket"] + unquote(parts.path)


def _s3_uri(url: str) -> str | None:
    scheme = next((scheme for scheme in _S3_SCHEMES if url.startswith(scheme)), None)
    return None if scheme is None else f"s3://{url.removeprefix(scheme)}"
