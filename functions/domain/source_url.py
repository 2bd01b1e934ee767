"""Which source URLs are ever fetched: rules on the text of a URL and on the addresses that its host leads to.

The rules hold at submission and again, for every redirect and every connection, when FetchSource downloads.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from domain.errors import BlockedAddressError, InvalidSourceUrlError

_FIELD = "source.url"
_HTTPS_PORT = 443
# Web servers beside the standard port; anything else is more likely somebody's database.
_ALLOWED_PORTS = frozenset({_HTTPS_PORT, 8443})

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Called global by Python, but answered by a cloud's own machinery: Azure's wire server, and the protocol assignments
# with Oracle's metadata among them.
_CLOUD_NETWORKS = (ipaddress.IPv4Network("168.63.129.16/32"), ipaddress.IPv4Network("192.0.0.0/24"))
_NAT64_PREFIX = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL_PREFIX = ipaddress.IPv6Network("64:ff9b:1::/48")
# IPv4-compatible addresses (RFC 4291, deprecated): some stacks still route them to the embedded address.
_IPV4_COMPATIBLE_PREFIX = ipaddress.IPv6Network("::/96")


@dataclass(frozen=True, slots=True)
class SourceUrl:
    """A URL that may be fetched, as far as its text tells. ``target`` is path and query as they go on the wire."""

    host: str
    port: int
    target: str

    @property
    def host_header(self) -> str:
        """Return the value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _HTTPS_PORT else f"{host}:{self.port}"


def parse_source_url(url: str, field: str = _FIELD) -> SourceUrl:
    """Check the text of a URL; ``field`` is the field of the request that it stands in.

    Raises:
        InvalidSourceUrlError: another scheme than https, credentials, characters outside ASCII (Chinese ones
            among them), spaces, no host, or a port that is not allowed.
        BlockedAddressError: the host is written as an address that is not public.
    """
    if not url.isascii():
        raise InvalidSourceUrlError(
            "the URL may hold ASCII characters only, no Chinese ones; percent-encode the others", field=field
        )
    if any(ord(character) <= 0x20 or ord(character) == 0x7F for character in url):
        raise InvalidSourceUrlError("the URL may not hold spaces or control characters", field=field)
    try:
        parts = urlsplit(url)
        port = parts.port or _HTTPS_PORT
    except ValueError as error:
        raise InvalidSourceUrlError(f"the URL cannot be read: {error}", field=field) from error
    if parts.scheme != "https":
        raise InvalidSourceUrlError("only https URLs are fetched", field=field, allowed="https")
    if parts.username is not None or parts.password is not None:
        raise InvalidSourceUrlError("the URL may not hold a user name or password", field=field)
    if not parts.hostname or "\\" in url:
        raise InvalidSourceUrlError("the URL names no host", field=field)
    if port not in _ALLOWED_PORTS:
        allowed = ", ".join(str(number) for number in sorted(_ALLOWED_PORTS))
        raise InvalidSourceUrlError(
            f"port {port} is not fetched from; allowed: {allowed}", field=field, allowed=allowed
        )
    literal = _literal_address(parts.hostname)
    if literal is not None:
        require_public_address(literal, field)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return SourceUrl(host=parts.hostname, port=port, target=target)


def require_public_address(address: str, field: str = _FIELD) -> None:
    """Refuse an IP address that is not on the public internet.

    Private, loopback, link-local (cloud metadata), carrier-grade NAT, multicast, documentation and reserved addresses
    are refused; so is an IPv6 address that carries such an IPv4 address within (mapped, compatible, 6to4, NAT64).

    Raises:
        BlockedAddressError: when it is not public.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if not all(_is_public(candidate) for candidate in (parsed, *_embedded(parsed))):
        raise BlockedAddressError("the URL leads to an address that is not public", field=field)


def _literal_address(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return None


def _is_public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None or address in _NAT64_PREFIX:
            return True  # judged by the address within
        if address.is_site_local or address in _NAT64_LOCAL_PREFIX or address in _IPV4_COMPATIBLE_PREFIX:
            return False
    return address.is_global and not address.is_multicast and all(address not in cloud for cloud in _CLOUD_NETWORKS)


def _embedded(address: _Address) -> tuple[ipaddress.IPv4Address, ...]:
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    within = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64_PREFIX:
        within.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(found for found in within if found is not None)
