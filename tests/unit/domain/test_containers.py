"""Names of containers."""

from __future__ import annotations

import pytest

from domain.containers import container_name

_EBML = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08"


@pytest.mark.parametrize(
    ("ffmpeg_name", "brand", "head", "name"),
    [
        ("mov,mp4,m4a,3gp,3g2,mj2", "isom", b"", "mp4"),
        ("mov,mp4,m4a,3gp,3g2,mj2", "qt  ", b"", "mov"),
        ("matroska,webm", "", _EBML + b"\x42\x82\x84webm", "webm"),
        ("matroska,webm", "", _EBML + b"\x42\x82\x88matroska", "mkv"),
        ("mpegts", "", b"", "ts"),
        ("mpeg", "", b"", "mpg"),
        ("ogg", "", b"", "ogg"),
    ],
)
def test_container_name(ffmpeg_name, brand, head, name):
    assert container_name(ffmpeg_name, brand, head) == name
