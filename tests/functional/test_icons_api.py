"""/v1/icons: entries of the library, and the pictures behind them."""

from __future__ import annotations

import io
import json
import urllib.parse

import pytest
from botocore.exceptions import ClientError
from PIL import Image

import manage_icons
from domain.errors import IconNotFoundError
from domain.icon import IconDraft

UPLOAD_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def picture(mode="RGBA", size=(64, 32)):
    file = io.BytesIO()
    Image.new(mode, size).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def request_icon(call, recorded):
    """Send a request to /v1/icons."""

    def send(method, path="", body=None, query=None, **headers):
        event = recorded("manage_icons")
        event["requestContext"]["http"] |= {"method": method, "path": f"/v1/icons{path}"}
        event |= {"rawPath": f"/v1/icons{path}"}
        if method != "POST":
            del event["body"]
        if query:
            event |= {"queryStringParameters": query, "rawQueryString": urllib.parse.urlencode(query)}
        return call(manage_icons, event, body, **headers)

    return send


@pytest.fixture
def uploaded(deployment):
    def upload(data=None, owner="default"):
        deployment.put(f"uploads/{owner}/{UPLOAD_ID}/icon.png", picture() if data is None else data)

    return upload


def test_an_icon_is_made_read_listed_and_deleted(deployment, request_icon, uploaded):
    uploaded()
    created = request_icon("POST")
    assert (created.status, created.body["name"], created.body["kind"]) == (201, "Channel 5", "tv")
    assert (created.body["width"], created.body["height"], created.body["media_type"]) == (64, 32, "image/png")
    icon_id = created.body["icon_id"]
    assert created.headers["Location"] == f"/v1/icons/{icon_id}"
    key = f"icons/default/{icon_id}"
    assert urllib.parse.urlsplit(created.body["url"]).path.endswith(key)
    assert deployment.s3.get_object(Bucket=deployment.bucket, Key=key)["Body"].read() == picture()
    shown = request_icon("GET", f"/{icon_id}").body
    assert {**shown, "url": ""} == {**created.body, "url": ""}
    assert [icon["icon_id"] for icon in request_icon("GET").body["icons"]] == [icon_id]

    assert request_icon("DELETE", f"/{icon_id}").status == 204
    with pytest.raises(ClientError, match="NoSuchKey"):
        deployment.s3.get_object(Bucket=deployment.bucket, Key=key)
    for method in ("GET", "DELETE"):
        gone = request_icon(method, f"/{icon_id}")
        assert (gone.status, gone.body["code"]) == (404, "IconNotFound")


def test_icons_are_listed_page_by_page(deployment, request_icon, uploaded):
    uploaded()
    made = []
    for _ in range(3):
        deployment.clock.advance(seconds=1)
        made.append(request_icon("POST").body["icon_id"])
    first = request_icon("GET", query={"limit": "2"}).body
    second = request_icon("GET", query={"limit": "2", "cursor": first["next_cursor"]}).body
    assert [icon["icon_id"] for icon in first["icons"] + second["icons"]] == made[::-1]
    assert second["next_cursor"] is None
    assert request_icon("GET", query={"cursor": "x"}).body["field"] == "cursor"


def test_a_drawing_is_kept_as_it_came(deployment, request_icon, uploaded):
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 12"><path d="M0 0h24v12z"/></svg>'
    uploaded(drawing)
    created = request_icon("POST").body
    assert (created["width"], created["height"], created["media_type"]) == (24, 12, "image/svg+xml")
    stored = deployment.s3.get_object(Bucket=deployment.bucket, Key=f"icons/default/{created['icon_id']}")
    assert (stored["Body"].read(), stored["ContentType"]) == (drawing, "image/svg+xml")


def jpeg():
    file = io.BytesIO()
    Image.new("RGB", (64, 32)).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (picture("RGB"), "InvalidIcon"),
        (picture("L"), "InvalidIcon"),
        (picture(size=(1025, 8)), "InvalidIcon"),
        (picture(size=(20000, 8)), "InvalidIcon"),
        (picture(size=(7, 8)), "InvalidIcon"),
        (jpeg(), "UnsupportedIconFormat"),
        (b"GIF89a", "UnsupportedIconFormat"),
        (b"", "UnsupportedIconFormat"),
        (picture()[:-20], "InvalidIcon"),
        (b"\0" * ((1 << 20) + 1), "InvalidIcon"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9' onload='x()'/>", "UnsafeIcon"),
        (b"<!DOCTYPE svg><svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'/>", "UnsafeIcon"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20000 9'/>", "InvalidIcon"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'>", "InvalidIcon"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused(request_icon, uploaded, data, code):
    uploaded(data)
    answer = request_icon("POST")
    assert (answer.status, answer.body["code"]) == (422, code)
    assert request_icon("GET").body["icons"] == []


def test_an_upload_that_is_not_there_or_has_expired_is_a_404(deployment, request_icon, uploaded):
    assert (request_icon("POST").status, request_icon("POST").body["field"]) == (404, "upload_id")
    uploaded()
    deployment.clock.advance(hours=24, seconds=2)
    answer = request_icon("POST")
    assert (answer.status, answer.body["code"], answer.body["field"]) == (404, "UploadNotFound", "upload_id")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"kind": "radio"}, "kind"),
        ({"upload_id": "x"}, "upload_id"),
    ],
)
def test_an_icon_against_the_rules_names_its_field(request_icon, recorded, change, field):
    answer = request_icon("POST", body={**json.loads(recorded("manage_icons")["body"]), **change})
    assert (answer.status, answer.body["field"]) == (400, field)


def test_the_same_idempotency_key_makes_one_icon(request_icon, uploaded):
    uploaded()
    first, again = (request_icon("POST", idempotency_key="k").body["icon_id"] for _ in range(2))
    assert first == again


def test_there_is_a_limit_of_icons(request_icon, uploaded, monkeypatch):
    monkeypatch.setattr("adapters.icons.MAX_ICONS", 1)
    uploaded()
    assert request_icon("POST").status == 201
    assert request_icon("POST").body["code"] == "TooManyIcons"


def test_other_people_s_icons_are_not_there(deployment, uploaded):
    uploaded(owner="someone")
    icons = deployment.serve().icons
    draft = IconDraft.model_validate({"name": "A", "kind": "internet", "upload_id": UPLOAD_ID})
    theirs = icons.create(draft, "someone")
    assert icons.page("default", 10, None).icons == ()
    for operation in (icons.get, icons.delete):
        with pytest.raises(IconNotFoundError):
            operation(theirs, "default")
    assert icons.get(theirs, "someone").name == "A"
