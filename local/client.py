"""A client of the HTTP API with the standard library only: what ``run`` does is what any user of the API does."""

from __future__ import annotations

import http.client
import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_TIMEOUT_SECONDS = 60
_CHUNK_BYTES = 1 << 20


class ApiError(Exception):
    """Raised when the service answers with an error: ``code`` is stable, the message is one sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class ApiClient:
    """Calls the service at ``base_url`` with an access key, written as ``KEY_ID.SECRET``."""

    def __init__(self, base_url: str, access_key: str) -> None:
        self._base_url = base_url
        self._access_key = access_key

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """Send a request and return the JSON answer.

        Raises:
            ApiError: the service answers with a status of 400 or above.
        """
        request = urllib.request.Request(  # noqa: S310 - always the service's own http address
            self._base_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Bearer {self._access_key}",
                **(headers or {}),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                raise _api_error(error.code, error.read()) from None

    def upload(self, video: Path) -> str:
        """Send a file through an upload form and return the upload's ID.

        Raises:
            ApiError: the service or the storage refuses it.
        """
        form = self.call("POST", "/v1/uploads", {})
        send_form(form["url"], form["fields"], video)
        return str(form["upload_id"])


def send_form(url: str, fields: dict[str, str], file: Path) -> None:
    """Send ``fields`` and then ``file`` as multipart/form-data, streaming: the file may be larger than memory.

    Raises:
        ApiError: the storage refuses the form or the file.
    """
    boundary = uuid.uuid4().hex
    head = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    )
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="upload"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield head
        with file.open("rb") as source:
            while piece := source.read(_CHUNK_BYTES):
                yield piece
        yield tail

    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request(
            "POST",
            address.path or "/",
            body=body(),
            headers={
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                "Content-Length": str(len(head) + file.stat().st_size + len(tail)),
            },
        )
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise _api_error(answer.status, content)
    finally:
        connection.close()


def download(url: str, target: Path) -> None:
    """Fetch a link into ``target``; a file that is there stays as it was until the new one is complete.

    Raises:
        ApiError: the storage refuses the link.
    """
    partial = target.with_name(target.name + ".part")
    try:
        with (
            urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer,  # noqa: S310 - a link of the service
            partial.open("wb") as sink,
        ):
            shutil.copyfileobj(answer, sink, _CHUNK_BYTES)
        partial.replace(target)
    except urllib.error.HTTPError as error:
        with error:
            raise _api_error(error.code, error.read()) from None
    finally:
        partial.unlink(missing_ok=True)


def _api_error(status: int, content: bytes) -> ApiError:
    """Read an error answer: the service's problem document, the gateway's JSON, or S3's XML."""
    text = content.decode(errors="replace")
    try:
        problem = json.loads(text)
        return ApiError(
            status, str(problem.get("code", status)), str(problem.get("detail") or problem.get("message") or text)
        )
    except (ValueError, AttributeError):
        pass
    code, message = (_between(text, f"<{tag}>", f"</{tag}>") for tag in ("Code", "Message"))
    return ApiError(status, code or str(status), message or f"the storage answered with status {status}")


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]
