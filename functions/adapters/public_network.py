"""Connections to hosts that callers name, without being led into a private network.

A host name is resolved once; every address it has must be public; and the connection goes to the address that was
checked, so that a second answer of the name server cannot lead elsewhere.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.source_url import SourceUrl, require_public_address

#: Host and port to addresses, as text.
Resolve = Callable[[str, int], Sequence[str]]
#: Address, port and timeout in seconds to a connected TCP socket.
Connect = Callable[[str, int, float], socket.socket]


def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Return all addresses of a host.

    Raises:
        OSError: it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect_by_system(address: str, port: int, timeout_seconds: float) -> socket.socket:
    """Open a TCP connection.

    Raises:
        OSError: nobody answers there.
    """
    return socket.create_connection((address, port), timeout=timeout_seconds)


@dataclass(frozen=True, slots=True)
class PublicNetwork:
    """Opens connections. Network and TLS are given from outside."""

    resolve: Resolve
    connect: Connect
    tls: ssl.SSLContext

    def open(self, target: SourceUrl, seconds: float) -> http.client.HTTPSConnection:
        """Open a TLS connection to a host; each step of it takes ``seconds`` at most.

        Raises:
            BlockedAddressError: the host has an address that is not public.
            OSError: it has none, nobody answers there in time, or the certificate is not the host's.
        """
        addresses = self.resolve(target.host, target.port)
        for address in addresses:
            require_public_address(address)
        if not addresses:
            raise OSError(f"{target.host} has no address")
        connection = http.client.HTTPSConnection(target.host, target.port, timeout=seconds, context=self.tls)
        raw = self._first_connection(addresses, target.port, seconds)
        # The certificate must be the host's, though the connection goes to a bare address.
        connection.sock = self.tls.wrap_socket(raw, server_hostname=target.host)
        return connection

    def _first_connection(self, addresses: Sequence[str], port: int, seconds: float) -> socket.socket:
        *earlier, last = addresses
        for address in earlier:
            try:
                return self.connect(address, port, seconds)
            except OSError:
                continue  # a host with IPv6 addresses, seen from a network without
        return self.connect(last, port, seconds)
