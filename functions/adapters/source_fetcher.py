"""Downloads a source behind an https URL; what ``public_network`` checks holds for each redirect as well."""

from __future__ import annotations

import http.client
import io
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import IO, NoReturn
from urllib.parse import urljoin

from adapters.public_network import PublicNetwork
from domain.errors import BadSourceError, SourceFetchError, SourceNotFoundError
from domain.limits import check_size
from domain.source_url import SourceUrl, parse_source_url

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
# A link that is signed for GET answers HEAD with 403, and some servers know no HEAD: the download will tell.
_HEAD_UNKNOWN = frozenset({400, 401, 403, 405, 501})
_SOCKET_TIMEOUT_SECONDS = 10.0
_READ_BYTES = 1 << 20
_HEADERS = {"User-Agent": "smart-erase", "Accept": "*/*", "Accept-Encoding": "identity"}

#: Takes a readable stream to where the source is to lie.
Store = Callable[[IO[bytes]], None]


@dataclass(frozen=True, slots=True)
class SourceFetcher:
    """Looks at and downloads sources over ``network``."""

    network: PublicNetwork

    def look(self, url: str, deadline_seconds: float) -> None:
        """Ask for the head of a URL and refuse it if it is clear already that the download cannot work.

        Raises:
            InvalidSourceUrlError: the URL, or one that it redirects to, has a form that is never fetched.
            BlockedAddressError: it leads to an address that is not public.
            SourceNotFoundError: it answers 404.
            SourceTooLargeError: it says that it is larger than 1 GB.
            SourceFetchError: nobody answers, or only with an error.
        """
        with self._request("HEAD", url, monotonic() + deadline_seconds) as answer:
            if answer.status in _HEAD_UNKNOWN:
                return
            _check_status(answer)
            if (length := _declared_length(answer)) is not None:
                check_size(length)

    def download(self, url: str, store: Store, deadline_seconds: float) -> int:
        """Stream the file behind a URL into ``store``; return its size in bytes.

        Raises:
            as ``look``; and SourceFetchError if the file ends early, is empty, or the deadline passes.
        """
        deadline = monotonic() + deadline_seconds
        with self._request("GET", url, deadline) as answer:
            _check_status(answer)
            declared = _declared_length(answer)
            if declared is not None:
                check_size(declared)
            body = _CheckedBody(answer, declared, deadline)
            store(io.BufferedReader(body, _READ_BYTES))
            return body.received_bytes

    @contextmanager
    def _request(self, method: str, url: str, deadline: float) -> Iterator[http.client.HTTPResponse]:
        for _ in range(_MAX_REDIRECTS + 1):
            target = parse_source_url(url)
            with closing(self._open(target, deadline)) as connection, _network_errors():
                connection.request(method, target.target, headers={"Host": target.host_header, **_HEADERS})
                answer = connection.getresponse()
                if answer.status not in _REDIRECTS:
                    yield answer
                    return
                location = answer.getheader("Location")
            if not location:
                raise SourceFetchError("the source URL redirects to nowhere", field="source.url")
            url = urljoin(url, location)
        raise SourceFetchError(f"the source URL redirects more than {_MAX_REDIRECTS} times", field="source.url")

    def _open(self, target: SourceUrl, deadline: float) -> http.client.HTTPSConnection:
        seconds = min(_SOCKET_TIMEOUT_SECONDS, deadline - monotonic())
        if seconds <= 0:
            _ran_out()
        with _network_errors():
            return self.network.open(target, seconds)


class _CheckedBody(io.RawIOBase):
    """The body of an answer, read as it comes; counts what came, and fails instead of ending early."""

    def __init__(self, answer: http.client.HTTPResponse, declared_bytes: int | None, deadline: float) -> None:
        super().__init__()
        self._answer = answer
        self._declared_bytes = declared_bytes
        self._deadline = deadline
        self.received_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if monotonic() > self._deadline:
            _ran_out()
        with _network_errors():
            count = self._answer.readinto(buffer)
        self.received_bytes += count
        check_size(self.received_bytes)
        if count == 0 and self.received_bytes < (self._declared_bytes or 1):
            raise SourceFetchError(
                f"the source URL sent {self.received_bytes} bytes of {self._declared_bytes or 'a file'} and ended",
                field="source.url",
            )
        return count


@contextmanager
def _network_errors() -> Iterator[None]:
    try:
        yield
    except BadSourceError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise SourceFetchError(
            f"the source URL's certificate is not valid: {error.verify_message}", field="source.url"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise SourceFetchError("the source URL's host does not answer as it should", field="source.url") from error


def _ran_out() -> NoReturn:
    raise SourceFetchError("the source URL takes too long", field="source.url")


def _check_status(answer: http.client.HTTPResponse) -> None:
    if answer.status in _GONE:
        raise SourceNotFoundError(f"the source URL answers {answer.status}", field="source.url")
    if answer.status != http.client.OK:
        raise SourceFetchError(f"the source URL answers {answer.status}", field="source.url")
    if answer.getheader("Content-Encoding", "identity") != "identity":
        raise SourceFetchError("the source URL sends an encoded body though none was asked for", field="source.url")


def _declared_length(answer: http.client.HTTPResponse) -> int | None:
    # Not answer.length, which is 0 for every HEAD.
    try:
        return int(answer.getheader("Content-Length", ""))
    except ValueError:
        return None
