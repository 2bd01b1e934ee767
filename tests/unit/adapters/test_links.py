"""Links outlive their signature: the session that signs is renewed in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import boto3
import pytest

from adapters.links import LinkSigner, Signer

START = datetime(2026, 11, 21, 13, tzinfo=UTC)


class Clock:
    """A clock that the test sets."""

    now = START

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions():
    return []


@pytest.fixture
def signer(clock, sessions):
    def open_session():
        number = len(sessions)
        client = boto3.client(
            "s3", region_name="eu-central-1", aws_access_key_id=f"key{number}", aws_secret_access_key="secret"
        )
        sessions.append(clock.now + timedelta(hours=1))
        return Signer(client, sessions[-1])

    return LinkSigner(open_session, "bucket", 1800, clock)


@pytest.mark.parametrize(("minutes", "opened"), [(0, 1), (28, 1), (30, 2), (61, 2)])
def test_a_session_is_renewed_before_a_link_would_outlive_it(signer, clock, sessions, minutes, opened):
    signer.links({"video": "results/1/video.mp4"})
    clock.now = START + timedelta(minutes=minutes)

    links = signer.links({"video": "results/1/video.mp4"})

    assert len(sessions) == opened
    assert f"key{opened - 1}" in links.urls["video"]
    assert links.expires_at == clock.now + timedelta(minutes=30) <= sessions[-1]


def test_a_form_says_when_its_session_ends(signer, clock):
    form = signer.upload_form("default", "u", "clip.mp4")
    assert form.form_expires_at == START + timedelta(hours=1)
    assert form.expires_at == START + timedelta(hours=24)
