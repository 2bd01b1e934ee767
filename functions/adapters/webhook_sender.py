"""Posts an event to a receiver: one request, no redirects, five seconds, never into a private network."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from threading import Timer

from adapters.public_network import PublicNetwork
from domain.callback import LoopbackUrl, parse_callback_url
from domain.errors import SmartEraseError
from domain.source_url import SourceUrl

TIMEOUT_SECONDS = 5.0
_HEADERS = {"User-Agent": "smart-erase", "Content-Type": "application/json", "Accept": "*/*", "Connection": "close"}


class UndeliveredError(Exception):
    """Raised when a receiver gives no answer; the message says why, without what it or the network said."""


@dataclass(frozen=True, slots=True)
class WebhookSender:
    """Sends events over ``network``; with ``allow_loopback`` also to receivers on this machine."""

    network: PublicNetwork
    allow_loopback: bool
    timeout_seconds: float = TIMEOUT_SECONDS

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Return the status that the receiver answers; its body is not read.

        Raises:
            UndeliveredError: nobody answers in time, or the host has an address that is not public.
        """
        try:
            target = parse_callback_url(url, field="url", allow_loopback=self.allow_loopback)
            with closing(self._open(target)) as connection:
                assert connection.sock is not None  # opened just now
                # A receiver that answers byte by byte must not take longer than the others.
                guard = Timer(self.timeout_seconds, _hang_up, [connection.sock])
                guard.start()
                try:
                    host = {} if isinstance(target, LoopbackUrl) else {"Host": target.host_header}
                    connection.request("POST", target.target, body, {**_HEADERS, **host, **headers})
                    return connection.getresponse().status
                finally:
                    guard.cancel()
        except SmartEraseError as error:
            raise UndeliveredError(error.message) from error
        except TimeoutError as error:
            raise UndeliveredError(f"no answer within {self.timeout_seconds:g} seconds") from error
        except (OSError, http.client.HTTPException) as error:
            raise UndeliveredError("the receiver cannot be reached, or hung up") from error

    def _open(self, target: SourceUrl | LoopbackUrl) -> http.client.HTTPConnection:
        if isinstance(target, LoopbackUrl):
            connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=self.timeout_seconds)
            connection.connect()
            return connection
        return self.network.open(target, self.timeout_seconds)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
