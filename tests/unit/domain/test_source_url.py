"""Which URLs and addresses are never fetched."""

from __future__ import annotations

import pytest

from domain.errors import BlockedAddressError, InvalidSourceUrlError
from domain.source_url import parse_source_url, require_public_address


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("https://example.com", "example.com", 443, "/"),
        ("https://EXAMPLE.com/a%20b.mp4?x=1&y=%E4%B8%AD", "example.com", 443, "/a%20b.mp4?x=1&y=%E4%B8%AD"),
        ("https://example.com:8443/a.mp4#t=5", "example.com", 8443, "/a.mp4"),
        ("https://93.184.216.34/a.mp4", "93.184.216.34", 443, "/a.mp4"),
        ("https://[2606:2800:220:1::1]/a.mp4", "2606:2800:220:1::1", 443, "/a.mp4"),
    ],
)
def test_a_url_is_taken_apart(url, host, port, target):
    parsed = parse_source_url(url)
    assert (parsed.host, parsed.port, parsed.target) == (host, port, target)


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("https://example.com/", "example.com"),
        ("https://example.com:8443/", "example.com:8443"),
        ("https://[2606:2800:220:1::1]/", "[2606:2800:220:1::1]"),
    ],
)
def test_the_host_header(url, header):
    assert parse_source_url(url).host_header == header


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.mp4",
        "ftp://example.com/a.mp4",
        "file:///etc/passwd",
        "//example.com/a.mp4",
        "example.com/a.mp4",
        "https:///a.mp4",
        "https://",
        "https://user@example.com/a.mp4",
        "https://user:secret@example.com/a.mp4",
        "https://@example.com/a.mp4",
        "https://example.com/视频.mp4",
        "https://例子.com/a.mp4",
        "https://example.com/a b.mp4",
        "https://example.com/a\r\nHost: x",
        "https://example.com\\@10.0.0.1/",
        "https://example.com:22/a.mp4",
        "https://example.com:99999/a.mp4",
        "https://example.com:x/a.mp4",
        "https://[::1/a.mp4",
    ],
)
def test_a_url_of_another_form_is_refused(url):
    with pytest.raises(InvalidSourceUrlError) as refused:
        parse_source_url(url)
    assert refused.value.field == "source.url"


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]"])
def test_a_url_with_an_address_inside_is_refused(host):
    with pytest.raises(BlockedAddressError):
        parse_source_url(f"https://{host}/a.mp4")


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.8.8.8",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "64:ff9b::a00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:a00:1::1",
        "2002:7f00:1::",
        "2001:0:a00:1::1",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address):
    with pytest.raises(BlockedAddressError):
        require_public_address(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_is_taken(address):
    require_public_address(address)
