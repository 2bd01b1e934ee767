"""The names of containers that the service speaks of, from what FFmpeg and the file's first bytes tell."""

from __future__ import annotations

_NAMES = {"mpegts": "ts", "mpeg": "mpg", "mxf": "mxf", "avi": "avi", "flv": "flv"}
_MOV_FAMILY = "mov,mp4,m4a,3gp,3g2,mj2"
_MATROSKA_FAMILY = "matroska,webm"
_QUICKTIME_BRAND = "qt"
# EBML element DocType (0x4282) of four bytes, as every WebM file has it in its first hundred.
_WEBM_DOC_TYPE = b"\x42\x82\x84webm"
#: How much of a file's beginning ``container_name`` looks at.
HEAD_BYTES = 256


def container_name(ffmpeg_name: str, major_brand: str, head: bytes) -> str:
    """Return mp4, mov, mkv, webm, avi, flv, ts, mpg, mxf, or FFmpeg's own name for any other.

    ``major_brand`` is that of an MP4's ``ftyp`` box, empty where there is none (old QuickTime files have none);
    ``head`` is the beginning of the file, its first ``HEAD_BYTES``.
    """
    if ffmpeg_name == _MOV_FAMILY:
        return "mov" if major_brand.strip() == _QUICKTIME_BRAND else "mp4"
    if ffmpeg_name == _MATROSKA_FAMILY:
        return "webm" if _WEBM_DOC_TYPE in head[:HEAD_BYTES] else "mkv"
    return _NAMES.get(ffmpeg_name, ffmpeg_name)
