"""Where copies of results go."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.errors import InvalidRequestError
from domain.job import ObjectRef, Output, Source
from domain.output_location import locate, source_name

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def located(key: str, file_name: str = "episode 1.final.mov") -> str:
    found = locate(Output(s3_uri=f"s3://out/{key}"), file_name, NOW)
    assert (found.bucket, found.version_id) == ("out", None)
    return found.key


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("a.mp4", "a.mp4"),
        ("{source}.mp4", "episode 1.final.mp4"),
        ("{timestamp}/{source}-{sequenceId}.mp4", "1769860800/episode 1.final-00001.mp4"),
        ("{source}{source}", "episode 1.finalepisode 1.final"),
        ("what?/a #1 中.mp4", "what?/a #1 中.mp4"),
        ("a..b/...mp4", "a..b/...mp4"),
        ("第1話\u3000題.mp4", "第1話\u3000題.mp4"),
        ("x" * 1024, "x" * 1024),
    ],
)
def test_placeholders_are_filled_in(pattern, key):
    assert located(pattern) == key


def test_what_a_file_name_holds_is_no_placeholder():
    assert located("{source}.mp4", "{timestamp}.mov") == "{timestamp}.mp4"


@pytest.mark.parametrize(
    ("pattern", "file_name"),
    [
        ("{name}.mp4", "a"),
        ("{source.mp4", "a"),
        ("source}.mp4", "a"),
        ("{{source}}.mp4", "a"),
        ("{}.mp4", "a"),
        ("/a.mp4", "a"),
        ("a/", "a"),
        ("../a.mp4", "a"),
        ("a/./b.mp4", "a"),
        ("a/..", "a"),
        ("a/{source}/b.mp4", ".."),
        ("{source}", ""),
        ("a\tb.mp4", "a"),
        ("é" * 513, "a"),
        ("{source}" * 2, "x" * 600),
    ],
)
def test_a_key_that_is_no_good_is_refused(pattern, file_name):
    with pytest.raises(InvalidRequestError) as refusal:
        located(pattern, file_name)
    assert refusal.value.field == "output.s3_uri"


@pytest.mark.parametrize(
    "uri", ["out/a.mp4", "s3://out", "s3://out/", "s3:///a", "s3://o/a", "https://out/a", "s3://O_x/a"]
)
def test_an_address_names_a_bucket_and_a_key(uri):
    with pytest.raises(ValidationError):
        Output(s3_uri=uri)


@given(pattern=st.text(min_size=1, max_size=60), file_name=st.text(max_size=60))
def test_any_text_is_a_good_key_or_refused(pattern, file_name):
    try:
        output = Output(s3_uri=f"s3://out/{pattern}")
    except ValidationError:
        return
    try:
        key = locate(output, file_name, NOW).key
    except InvalidRequestError:
        return
    assert 0 < len(key.encode()) <= 1024
    assert all(ord(character) >= 0x20 for character in key)
    assert not {".", ".."} & set(key.split("/"))
    assert not key.startswith("/")


def test_a_source_has_its_name_from_where_it_comes_from():
    upload = Source(upload_id="0f8fad5b-d9cb-469f-a165-70867728950e")
    key = "uploads/default/0f8fad5b-d9cb-469f-a165-70867728950e/clip.mp4"
    assert source_name(upload, ObjectRef(bucket="media", key=key)) == "clip.mp4"
    url = Source(url="https://example.com/films/a%20b%2Fc.mkv?token=1/2.mp4")
    assert source_name(url, None) == "c.mkv"
    assert source_name(Source(url="https://example.com"), None) == "source"
