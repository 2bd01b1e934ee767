"""What S3 checks and moto does not: who may read, signed links and forms; and large objects without large memory.

A WSGI application in front of moto. Links are signed again and compared (AWS Signature Version 4, query form); a form's
policy is verified with all its conditions. A request with an Authorization header must name a key of this service:
no web page in a browser on this machine knows one.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import mmap
import re
import tempfile
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.s3.models import s3_backends
from moto.s3.utils import metadata_from_headers
from moto.sts.models import sts_backends
from werkzeug.datastructures import Headers
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from local.template import ACCOUNT_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CHUNK_BYTES = 1 << 18
_FIELDS_OUTSIDE_THE_POLICY = frozenset({"policy", "x-amz-signature", "file"})


class RefusedError(Exception):
    """Raised when S3 would answer a request with an error document."""

    def __init__(self, status: str, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def _denied(message: str, code: str = "AccessDenied") -> RefusedError:
    return RefusedError("403 Forbidden", code, message)


@dataclass(frozen=True)
class _Key:
    """A key that may have signed something: the secret, and the session token that must come with it."""

    secret: str
    session_token: str | None


class S3Edge:
    """Answers signed links, upload forms and plain object reads; passes everything else on to moto."""

    def __init__(self, app: WSGIApplication, access_key: str, secret_key: str) -> None:
        self._app = app
        self._own = {access_key: _Key(secret_key, None)}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, or pass it on."""
        try:
            return self._answer(environ, start_response)
        except RefusedError as refused:
            _drain(environ)
            body = (
                '<?xml version="1.0" encoding="UTF-8"?>\n'
                f"<Error><Code>{refused.code}</Code><Message>{escape(refused.message)}</Message></Error>"
            ).encode()
            start_response(refused.status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        method = environ["REQUEST_METHOD"]
        if authorization:
            # The key is the service's own secret, as good as a signature on a loopback address.
            credential = re.search(r"Credential=([^/,]+)/", authorization)
            self._key(credential.group(1) if credential else "")
            if "/s3/aws4_request" not in authorization:
                return self._app(environ, start_response)
        elif "X-Amz-Signature" in query:
            self._check_link(environ, query)
        elif method == "POST" and environ.get("CONTENT_TYPE", "").startswith("multipart/form-data"):
            return self._take_form(environ, start_response)
        else:
            raise _denied("Access Denied")
        plain = not any(
            name == "uploads" or not name.lower().startswith(("x-amz-", "response-", "versionid", "x-id"))
            for name in query
        )
        if method == "GET" and plain and environ["PATH_INFO"].strip("/").count("/"):
            return self._send_object(environ, start_response, query)
        return self._app(environ, start_response)

    # --- signatures

    def _key(self, access_key: str) -> _Key:
        if access_key in self._own:
            return self._own[access_key]
        for account in sts_backends.values():
            for backend in account.values():
                for role in backend.assumed_roles:
                    if role.access_key_id == access_key:
                        if role.expiration.replace(tzinfo=UTC) < datetime.now(UTC):
                            raise _denied("The provided token has expired.", "ExpiredToken")
                        return _Key(role.secret_access_key, role.session_token)
        raise _denied("The AWS Access Key Id you provided does not exist in our records.", "InvalidAccessKeyId")

    def _signer(self, credential: str, session_token: str | None) -> S3SigV4QueryAuth:
        try:
            access_key, _, region, service, _ = credential.split("/")
        except ValueError as error:
            raise _denied("Error parsing the X-Amz-Credential parameter.") from error
        key = self._key(access_key)
        if key.session_token != session_token:
            raise _denied("The provided token is malformed or otherwise invalid.", "InvalidToken")
        return S3SigV4QueryAuth(Credentials(access_key, key.secret), service, region)

    def _check_link(self, environ: WSGIEnvironment, query: dict[str, list[str]]) -> None:
        try:
            signed_at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            lifetime = timedelta(seconds=int(query["X-Amz-Expires"][0]))
            credential, names = query["X-Amz-Credential"][0], query["X-Amz-SignedHeaders"][0].split(";")
        except (KeyError, ValueError) as error:
            raise _denied("Query-string authentication requires valid X-Amz parameters.") from error
        if datetime.now(UTC) >= signed_at + lifetime:
            raise _denied("Request has expired")
        signer = self._signer(credential, next(iter(query.get("X-Amz-Security-Token", [])), None))
        rest = "&".join(part for part in environ["QUERY_STRING"].split("&") if not part.startswith("X-Amz-Signature="))
        path = str(environ.get("REQUEST_URI") or environ["PATH_INFO"]).split("?")[0]
        request = AWSRequest(
            method=environ["REQUEST_METHOD"],
            url=f"http://{environ['HTTP_HOST']}{path}?{rest}",
            headers={name: environ.get("HTTP_" + name.upper().replace("-", "_"), "") for name in names},
        )
        request.context["timestamp"] = query["X-Amz-Date"][0]
        expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        if not hmac.compare_digest(expected, query["X-Amz-Signature"][0]):
            raise _denied(
                "The request signature we calculated does not match the signature you provided.",
                "SignatureDoesNotMatch",
            )

    def _check_policy(self, fields: dict[str, str], bucket: str) -> tuple[int, int]:
        """Verify a form's policy; return the smallest and largest file size that it allows, in bytes."""
        try:
            signer = self._signer(fields["x-amz-credential"], fields.get("x-amz-security-token"))
            request = AWSRequest()
            request.context["timestamp"] = fields["x-amz-date"]
            expected = signer.signature(fields["policy"], request)
            signature = fields["x-amz-signature"]
            policy = json.loads(base64.b64decode(fields["policy"]))
            expires_at = datetime.fromisoformat(policy["expiration"])
            conditions = policy["conditions"]
        except KeyError as error:
            raise _denied(f"The form lacks the field {error.args[0]}.") from error
        except (ValueError, TypeError, binascii.Error) as error:
            raise RefusedError("400 Bad Request", "InvalidPolicyDocument", "The form's policy is malformed.") from error
        if not hmac.compare_digest(expected, signature):
            raise _denied("The request signature we calculated does not match.", "SignatureDoesNotMatch")
        if datetime.now(UTC) >= expires_at:
            raise _denied("Invalid according to Policy: Policy expired.")
        return _size_range(conditions, {**fields, "bucket": bucket})

    # --- objects

    def _take_form(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        bucket = environ["PATH_INFO"].strip("/")
        form = _UploadForm(environ)
        smallest, largest = self._check_policy(form.fields, bucket)
        with tempfile.TemporaryFile() as received:
            size = form.copy_file_to(received, largest)
            if size < smallest:
                raise RefusedError(
                    "400 Bad Request", "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"
                )
            received.flush()
            value: Any = mmap.mmap(received.fileno(), size, access=mmap.ACCESS_READ) if size else b""
        key = s3_backends[ACCOUNT_ID]["aws"].put_object(
            bucket, form.fields["key"].replace("${filename}", form.file_name), value, request_method="POST"
        )
        key.set_metadata(metadata_from_headers(form.fields))
        start_response("204 No Content", [("ETag", key.etag), ("x-amz-version-id", key.version_id)])
        return []

    def _send_object(
        self, environ: WSGIEnvironment, start_response: StartResponse, query: dict[str, list[str]]
    ) -> Iterable[bytes]:
        bucket, _, name = environ["PATH_INFO"].encode("latin-1").decode().lstrip("/").partition("/")
        backend = s3_backends[ACCOUNT_ID]["aws"]
        version = query.get("versionId", [None])[0]
        key = backend.get_object(bucket, name, version_id=version) if bucket in backend.buckets else None
        if (
            key is None
            or key.size < _CHUNK_BYTES
            or environ.get("HTTP_IF_NONE_MATCH")
            or (environ.get("HTTP_IF_MATCH", key.etag).strip('"') != key.etag.strip('"'))
        ):
            return self._app(environ, start_response)
        span = _requested_range(environ.get("HTTP_RANGE", ""), key.size)
        if span is None:
            return self._app(environ, start_response)
        first, last = span
        headers = Headers(
            {
                "Content-Type": key.metadata.get("content-type", "binary/octet-stream"),
                "Content-Length": str(last - first + 1),
                "ETag": key.etag,
                "Last-Modified": key.last_modified_RFC1123,
                "Accept-Ranges": "bytes",
            }
        )
        for header, parameter in (
            ("Content-Disposition", "response-content-disposition"),
            ("Content-Type", "response-content-type"),
        ):
            if parameter in query:
                headers[header] = query[parameter][0]
        for field, content in key.metadata.items():
            if field.startswith("x-amz-meta-"):
                headers[field] = content
        if key.version_id != "null":
            headers["x-amz-version-id"] = key.version_id
        partial = "HTTP_RANGE" in environ
        if partial:
            headers["Content-Range"] = f"bytes {first}-{last}/{key.size}"
        start_response("206 Partial Content" if partial else "200 OK", headers.to_wsgi_list())
        return _pieces(key, first, last + 1)


def _requested_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte wanted; None for what moto shall judge (several ranges, outside the object)."""
    if not header:
        return 0, size - 1
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if match is None or match.group(0) == "bytes=-":
        return None
    start, end = match.groups()
    first, last = (int(start), min(int(end or size), size - 1)) if start else (max(0, size - int(end)), size - 1)
    return (first, last) if first <= last < size else None


def _pieces(key: Any, first: int, end: int) -> Iterator[bytes]:
    position = first
    while position < end:
        with key.lock:
            key._value_buffer.seek(position)  # noqa: SLF001
            piece: bytes = key._value_buffer.read(min(_CHUNK_BYTES, end - position))  # noqa: SLF001
        if not piece:
            return
        yield piece
        position += len(piece)


def _size_range(conditions: list[Any], fields: dict[str, str]) -> tuple[int, int]:
    covered = {"bucket"}
    smallest, largest = 0, 5 * 1024**3
    for condition in conditions:
        if isinstance(condition, dict):
            checks = [("eq", name, wanted) for name, wanted in condition.items()]
        elif str(condition[0]).lower() == "content-length-range":
            smallest, largest = int(condition[1]), int(condition[2])
            continue
        else:
            checks = [(str(condition[0]).lower(), str(condition[1]).removeprefix("$"), str(condition[2]))]
        for operator, name, wanted in checks:
            covered.add(name.lower())
            given = fields.get(name.lower(), "")
            if not (given.startswith(wanted) if operator == "starts-with" else given == wanted):
                raise _denied(
                    f'Invalid according to Policy: Policy Condition failed: ["{operator}", "${name}", "{wanted}"]'
                )
    extra = set(fields) - covered - _FIELDS_OUTSIDE_THE_POLICY
    extra = {name for name in extra if not name.startswith("x-ignore-")}
    if extra:
        raise _denied(f"Invalid according to Policy: Extra input fields: {', '.join(sorted(extra))}")
    return smallest, largest


class _UploadForm:
    """A multipart form read as it comes: first the fields, then the file, never the whole body in memory."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        boundary = parse_options_header(environ["CONTENT_TYPE"])[1].get("boundary", "")
        self._decoder = MultipartDecoder(boundary.encode(), max_form_memory_size=1 << 20)
        self._environ = environ
        self.fields: dict[str, str] = {}
        self.file_name = ""
        name: str | None = None
        value = bytearray()
        for event in self._events():
            if isinstance(event, Field):
                name, value = event.name.lower(), bytearray()
            elif isinstance(event, File):
                self.file_name = event.filename or ""
                return
            elif isinstance(event, Data) and name is not None:
                value += event.data
                if not event.more_data:
                    self.fields[name] = value.decode()
        raise RefusedError("400 Bad Request", "InvalidArgument", "POST requires exactly one file upload per request.")

    def copy_file_to(self, target: IO[bytes], largest: int) -> int:
        """Copy the file and return its size in bytes; stops reading where it grows over ``largest``."""
        size = 0
        for event in self._events():
            if isinstance(event, Data):
                size += len(event.data)
                if size > largest:
                    raise RefusedError(
                        "400 Bad Request", "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"
                    )
                target.write(event.data)
                if not event.more_data:
                    break
        return size

    def _events(self) -> Iterator[Any]:
        try:
            while True:
                event = self._decoder.next_event()
                if isinstance(event, NeedData):
                    self._decoder.receive_data(_read(self._environ, _CHUNK_BYTES) or None)
                elif isinstance(event, Epilogue):
                    return
                else:
                    yield event
        except ValueError as error:
            raise RefusedError(
                "400 Bad Request", "MalformedPOSTRequest", "The body is not well-formed multipart/form-data."
            ) from error


def _read(environ: WSGIEnvironment, size: int) -> bytes:
    """Read from the body, keeping count of what is left of it (werkzeug's stream does not end by itself)."""
    left = environ.setdefault("local.body_left", int(environ.get("CONTENT_LENGTH") or 0))
    data: bytes = environ["wsgi.input"].read(min(size, left)) if left else b""
    environ["local.body_left"] = left - len(data) if data else 0
    return data


def _drain(environ: WSGIEnvironment) -> None:
    """Read what is left of a refused body: a client that is still sending would see a reset, not the answer."""
    while _read(environ, 1 << 20):
        pass
