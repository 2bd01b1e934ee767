"""Where a copy of a job's result goes: an address with placeholders, filled in when the job is submitted."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from domain.errors import InvalidRequestError
from domain.job import ObjectRef, Output, Source

_FIELD = "output.s3_uri"
_MAX_KEY_BYTES = 1024  # of UTF-8; S3 takes no longer ones
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
# A job has one output; the closed service counts from here where it makes several.
_SEQUENCE_ID = "00001"
_ALLOWED = "{source}, {timestamp}, {sequenceId}"


def source_name(source: Source, source_object: ObjectRef | None) -> str:
    """Return the file name that a source has where it comes from; ``source_object`` is None behind a URL.

    A URL that names no file stands for one named ``source``.
    """
    if source_object is not None:
        return PurePosixPath(source_object.key).name
    assert source.url is not None  # whatever is not fetched is an object
    return PurePosixPath(unquote(urlsplit(source.url).path)).name or "source"


def locate(output: Output, file_name: str, submitted_at: datetime) -> ObjectRef:
    """Return the object that an output's address stands for.

    ``{source}`` becomes ``file_name`` without its extension, ``{timestamp}`` the Unix time of the submission,
    ``{sequenceId}`` 00001.

    Raises:
        InvalidRequestError: the key holds another placeholder, or filled in it is one that is not written to.
    """
    bucket, _, pattern = output.s3_uri.removeprefix("s3://").partition("/")
    values = {
        "{source}": PurePosixPath(file_name).stem,
        "{timestamp}": str(int(submitted_at.timestamp())),
        "{sequenceId}": _SEQUENCE_ID,
    }
    if unknown := set(_PLACEHOLDER.findall(pattern)) - values.keys():
        raise InvalidRequestError(
            f"the output's key holds an unknown placeholder: {min(unknown)}", field=_FIELD, allowed=_ALLOWED
        )
    if set("{}") & set(_PLACEHOLDER.sub("", pattern)):
        raise InvalidRequestError(
            "the output's key holds a brace that belongs to no placeholder", field=_FIELD, allowed=_ALLOWED
        )
    key = _PLACEHOLDER.sub(lambda found: values[found.group()], pattern)
    _check_key(key)
    return ObjectRef(bucket=bucket, key=key)


def _check_key(key: str) -> None:
    if len(key.encode()) > _MAX_KEY_BYTES:
        allowed = f"at most {_MAX_KEY_BYTES} bytes of UTF-8"
        raise InvalidRequestError(f"the output's key is too long: {allowed}", field=_FIELD, allowed=allowed)
    # S3 would take these; programs that read a key as a path would not find them, or find something else.
    if not key or key.startswith("/") or key.endswith("/") or {".", ".."} & set(key.split("/")):
        raise InvalidRequestError(
            "the output's key must name a file: not empty, no slash at its ends, no part . or ..", field=_FIELD
        )
    if any(unicodedata.category(character) == "Cc" for character in key):
        raise InvalidRequestError("the output's key holds control characters", field=_FIELD)
