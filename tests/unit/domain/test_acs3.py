"""The signature check, against requests that the official SDK's own code signs."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import quote, quote_plus

import pytest
from alibabacloud_tea_openapi.utils import Utils

from domain.acs3 import CLOCK_WINDOW, Acs3Signature, SignedRequest, check_body
from domain.errors import (
    IncompleteSignatureError,
    RequestExpiredError,
    SignatureMismatchError,
    UnsupportedSignatureError,
)

NOW = datetime(2026, 11, 21, 16, 0, 0, tzinfo=UTC)
BODY = b"VideoUrl=https%3A%2F%2Fexample.com%2Fa.mp4"
QUERY = {"Name": "episode 1 + 2", "Input": '{"Media":"oss://b/é中.mp4","Type":"OSS"}', "Tilde": "~a_b-c.d", "Empty": ""}


def signed(*, query=QUERY, secret="secret", now=NOW, body=BODY, encode=quote, leave_out=(), **headers):
    """A request as the SDK sends it: signed by the SDK, its query written as some HTTP client would."""
    sent = {
        "host": "127.0.0.1:8080",
        "x-acs-action": "SuperResolveVideo",
        "x-acs-version": "2020-03-20",
        "user-agent": "an SDK",
        "accept": "application/json",
        "x-acs-date": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": "8bc0ab4b2a1a7f8e4c2bd3a1b0c9d8e7",
        "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        **headers,
    }
    request = SimpleNamespace(
        method="POST",
        pathname="/",
        query=query,
        headers={name: value for name, value in sent.items() if name not in leave_out},
    )
    authorization = Utils.get_authorization(request, "ACS3-HMAC-SHA256", sent["x-acs-content-sha256"], "SEKEY", secret)
    raw = "&".join(f"{encode(name)}={encode(value)}" for name, value in query.items())
    # What a proxy adds on the way is not signed.
    return SignedRequest("POST", "/", raw, {**sent, "x-forwarded-for": "203.0.113.7", "authorization": authorization})


def check(request, secret="secret", now=NOW):
    Acs3Signature.of(request).check(request, secret, now)


@pytest.mark.parametrize("encode", [quote, quote_plus], ids=["%20", "+"])
def test_what_the_sdk_signs_is_taken_however_its_query_is_written(encode):
    request = signed(encode=encode)
    check(request)
    assert Acs3Signature.of(request).key_id == "SEKEY"


def test_a_request_without_a_query_is_taken():
    check(signed(query={}))


@pytest.mark.parametrize(
    "change",
    [
        lambda r: SignedRequest("GET", r.path, r.raw_query, r.headers),
        lambda r: SignedRequest(r.method, "/v1", r.raw_query, r.headers),
        lambda r: SignedRequest(r.method, r.path, r.raw_query + "&JobId=1", r.headers),
        lambda r: SignedRequest(r.method, r.path, r.raw_query, {**r.headers, "x-acs-action": "EraseVideoLogo"}),
        lambda r: SignedRequest(r.method, r.path, r.raw_query, {**r.headers, "x-acs-content-sha256": "0" * 64}),
        lambda r: SignedRequest(r.method, r.path, r.raw_query, {**r.headers, "host": "elsewhere"}),
    ],
    ids=["method", "path", "query", "action", "hash", "host"],
)
def test_a_request_that_was_changed_is_refused(change):
    with pytest.raises(SignatureMismatchError):
        check(change(signed()))


def test_another_secret_is_refused():
    with pytest.raises(SignatureMismatchError):
        check(signed(), secret="another")


@pytest.mark.parametrize("sign", [1, -1])
def test_the_clock_may_differ_by_a_quarter_of_an_hour(sign):
    check(signed(), now=NOW + sign * CLOCK_WINDOW)
    with pytest.raises(RequestExpiredError):
        check(signed(), now=NOW + sign * (CLOCK_WINDOW + timedelta(seconds=1)))


@pytest.mark.parametrize(
    "name", ["host", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256", "x-acs-action"]
)
def test_what_has_to_be_signed_is_signed(name):
    with pytest.raises(IncompleteSignatureError, match=name):
        check(signed(leave_out=[name]))


NOTHING_SIGNED = "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=,Signature=" + "0" * 64


@pytest.mark.parametrize(
    ("authorization", "raw_query", "error"),
    [
        (None, "", IncompleteSignatureError),
        (None, "SignatureMethod=HMAC-SHA1&Signature=a&AccessKeyId=b", UnsupportedSignatureError),
        ("ACS3-RSA-SHA256 Credential=a,SignedHeaders=host,Signature=b", "", UnsupportedSignatureError),
        ("Bearer a.b", "", UnsupportedSignatureError),
        ("ACS3-HMAC-SHA256 Credential=a", "", IncompleteSignatureError),
        (NOTHING_SIGNED, "", IncompleteSignatureError),
    ],
)
def test_other_signatures_are_told_apart(authorization, raw_query, error):
    headers = {} if authorization is None else {"authorization": authorization}
    with pytest.raises(error):
        Acs3Signature.of(SignedRequest("GET", "/", raw_query, headers))


@pytest.mark.parametrize("date", ["yesterday", "2026-11-21T16:00:00+00:00", "Sat, 21 Nov 2026 16:00:00 GMT"])
def test_a_date_in_another_form_is_refused(date):
    with pytest.raises(IncompleteSignatureError, match="x-acs-date"):
        check(signed(**{"x-acs-date": date}))


def test_the_body_has_to_have_the_hash_that_was_signed():
    headers = {"x-acs-content-sha256": hashlib.sha256(BODY).hexdigest()}
    check_body(headers, BODY)
    for body in (b"", BODY + b"&BitRate=100"):
        with pytest.raises(SignatureMismatchError):
            check_body(headers, body)
