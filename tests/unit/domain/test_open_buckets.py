"""Whose buckets are whose."""

import pytest

from domain.open_buckets import BucketGrant, OpenBuckets


@pytest.mark.parametrize(
    ("text", "grant"),
    [
        ("acme:films", BucketGrant("acme", "films", "")),
        ("acme:films/", BucketGrant("acme", "films", "")),
        ("a-1:my.films-2/in/2026/", BucketGrant("a-1", "my.films-2", "in/2026/")),
    ],
)
def test_a_grant_is_an_owner_and_a_place(text, grant):
    assert BucketGrant.parse(text) == grant


@pytest.mark.parametrize(
    "text", ["", "films", "acme=films", "acme:films/in", "ACME:films", "acme:Films", "acme:xy", "acme:films//"]
)
def test_what_is_no_grant_is_refused(text):
    with pytest.raises(ValueError, match="OWNER:BUCKET"):
        BucketGrant.parse(text)


GRANTS = tuple(
    map(BucketGrant.parse, ("acme:films/acme/", "acme:films/shared/", "other:films/other/", "acme:unopened"))
)


@pytest.mark.parametrize(
    ("owner", "bucket", "key", "admitted"),
    [
        ("acme", "films", "acme/a.mp4", True),
        ("acme", "films", "shared/a.mp4", True),
        ("acme", "films", "acme-2/a.mp4", False),
        ("acme", "films", "other/a.mp4", False),
        ("acme", "films", "a.mp4", False),
        ("third", "films", "acme/a.mp4", False),
        ("third", "everybody-s", "a.mp4", True),
        ("acme", "unopened", "a.mp4", False),
        ("acme", "unknown", "a.mp4", False),
    ],
)
def test_a_granted_bucket_is_closed_to_everybody_else(owner, bucket, key, admitted):
    opened = OpenBuckets(frozenset({"films", "everybody-s"}), GRANTS)
    assert opened.admits(owner, bucket, key) is admitted


def test_an_owner_is_told_of_its_own_places_only():
    opened = OpenBuckets(frozenset({"films", "everybody-s"}), GRANTS)
    assert opened.addresses("acme") == ("s3://everybody-s/", "s3://films/acme/", "s3://films/shared/")
    assert opened.addresses("third") == ("s3://everybody-s/",)
    assert opened.without("films").addresses("acme") == ("s3://everybody-s/",)
