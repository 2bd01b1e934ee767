"""/v1/templates, and jobs that name one."""

from __future__ import annotations

import json
import urllib.parse

import pytest

import create_job
import manage_templates
from domain import template as templates_domain
from domain.errors import TemplateKindMismatchError, TemplateNotFoundError
from domain.job import JobRequest, Quality
from domain.template import CaptionSettings, IconSettings, IconTemplate, TemplateFilter, TemplateKind, TemplateOrder

UPLOAD_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
TOP = {"x": 0.0, "y": 0.0, "width": 1.0, "height": 0.2, "time_ranges": []}
BOTTOM = {"x": 0.0, "y": 0.8, "width": 1.0, "height": 0.2, "time_ranges": []}


@pytest.fixture
def request_template(call, recorded):
    """Send a request to /v1/templates."""

    def send(method, path="", body=None, query=None, **headers):
        event = recorded("manage_templates")
        event["requestContext"]["http"] |= {"method": method, "path": f"/v1/templates{path}"}
        event |= {"rawPath": f"/v1/templates{path}", "routeKey": f"{method} /v1/templates{path}"}
        if body is None:
            del event["body"]
        if query:
            event |= {"queryStringParameters": query, "rawQueryString": urllib.parse.urlencode(query)}
        return call(manage_templates, event, body, **headers)

    return send


@pytest.fixture
def made(request_template, deployment):
    def make(name="Captions", kind="caption", **settings):
        deployment.clock.advance(seconds=1)
        answer = request_template("POST", body={"kind": kind, "name": name, "settings": settings})
        assert answer.status == 201, answer.body
        return answer.body["template_id"]

    return make


def test_a_template_is_made_read_changed_and_deleted(request_template, deployment):
    created = request_template("POST", body={"kind": "caption", "name": "A", "settings": {"quality": "premium"}})
    template_id = created.body["template_id"]
    assert created.headers["Location"] == f"/v1/templates/{template_id}"
    assert (created.body["is_default"], created.body["settings"]["quality"]) == (False, "premium")
    assert request_template("GET", f"/{template_id}").body == created.body

    deployment.clock.advance(minutes=1)
    draft = {"kind": "caption", "name": "B", "settings": {"captions": {"regions": [TOP]}}}
    changed = request_template("PUT", f"/{template_id}", draft)
    assert changed.status == 200
    assert (changed.body["name"], changed.body["settings"]["quality"]) == ("B", "normal")
    assert changed.body["modified_at"] > changed.body["created_at"] == created.body["created_at"]

    deleted = request_template("DELETE", f"/{template_id}")
    assert (deleted.status, deleted.body) == (204, None)
    for method, body in (("GET", None), ("PUT", draft), ("DELETE", None)):
        gone = request_template(method, f"/{template_id}", body)
        assert (gone.status, gone.body["code"], gone.body["field"]) == (404, "TemplateNotFound", "template_id")


def test_a_template_without_settings_is_the_service_s_default_settings(request_template):
    caption = request_template("POST", body={"kind": "caption", "name": "A"}).body
    icon = request_template("POST", body={"kind": "icon", "name": "B"}).body
    assert caption["settings"] == json.loads(CaptionSettings().model_dump_json())
    assert icon["settings"] == json.loads(IconSettings().model_dump_json())
    assert icon["settings"]["icons"]["kinds"] == ["tv", "internet"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "sound", "name": "A"}, "body"),
        ({"kind": "caption"}, "caption.name"),
        ({"kind": "caption", "name": ""}, "caption.name"),
        ({"kind": "caption", "name": "x" * 101}, "caption.name"),
        ({"kind": "caption", "name": "A", "settings": {"kinds": ["tv"]}}, "caption.settings.kinds"),
        ({"kind": "icon", "name": "A", "settings": {"kinds": []}}, "icon.settings.kinds"),
        ({"kind": "icon", "name": "A", "settings": {"regions": [TOP] * 3}}, "icon.settings.regions"),
        ({"kind": "caption", "name": "A", "settings": {"quality": "best"}}, "caption.settings.quality"),
    ],
)
def test_a_template_against_the_rules_names_its_field(request_template, body, field):
    answer = request_template("POST", body=body)
    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "InvalidRequest", field)


def test_the_kind_of_a_template_stays(request_template, made):
    template_id = made()
    answer = request_template("PUT", f"/{template_id}", {"kind": "icon", "name": "A", "settings": {}})
    assert (answer.status, answer.body["code"], answer.body["allowed"]) == (400, "TemplateKindMismatch", "caption")


def test_one_template_of_a_kind_is_the_default(request_template, made, deployment):
    first, second, icon = made("first"), made("second"), made("third", kind="icon")
    templates = deployment.serve().templates
    assert templates.default(TemplateKind.CAPTION, "default") is None
    for template_id in (first, icon, second):
        answer = request_template("PUT", f"/{template_id}/default")
        assert (answer.status, answer.body["is_default"]) == (200, True)

    defaults = request_template("GET", query={"is_default": "true"}).body["templates"]
    assert {template["template_id"] for template in defaults} == {second, icon}
    assert templates.default(TemplateKind.CAPTION, "default").template_id == second
    request_template("DELETE", f"/{second}")
    assert templates.default(TemplateKind.CAPTION, "default") is None
    assert request_template("PUT", f"/{second}/default").status == 404


def test_templates_are_listed_page_by_page_in_either_order(request_template, made):
    ids = [made(f"name {number}") for number in range(5)]
    for order, expected in (("newest_first", ids[::-1]), ("oldest_first", ids)):
        seen, cursor = [], None
        for _ in range(3):
            query = {"limit": "2", "order": order, **({"cursor": cursor} if cursor else {})}
            page = request_template("GET", query=query).body
            seen += [template["template_id"] for template in page["templates"]]
            cursor = page["next_cursor"]
            assert page["total"] == 5
        assert (seen, cursor) == (expected, None)


def test_a_list_is_narrowed_by_kind_and_name(request_template, made):
    made("Drama bottom")
    made("News", kind="icon")
    drama = made("drama top", kind="icon")
    found = request_template("GET", query={"kind": "icon", "name": "DRAMA"}).body["templates"]
    assert [template["template_id"] for template in found] == [drama]


@pytest.mark.parametrize(
    "query", [{"kind": "x"}, {"order": "x"}, {"limit": "0"}, {"limit": "101"}, {"cursor": "x"}, {"colour": "red"}]
)
def test_a_list_refuses_parameters_against_the_rules(request_template, query):
    answer = request_template("GET", query=query)
    assert (answer.status, answer.body["field"]) == (400, next(iter(query)))


def test_there_is_a_limit_of_templates(request_template, made, monkeypatch):
    monkeypatch.setattr("adapters.templates.MAX_TEMPLATES", 2)
    made()
    made()
    answer = request_template("POST", body={"kind": "caption", "name": "A"})
    assert (answer.status, answer.body["code"]) == (409, "TooManyTemplates")
    assert templates_domain.MAX_TEMPLATES >= 100


def test_the_same_idempotency_key_makes_one_template(request_template):
    body = {"kind": "caption", "name": "A"}
    first, again = (request_template("POST", body=body, idempotency_key="k") for _ in range(2))
    assert first.body == again.body
    assert len(request_template("GET").body["templates"]) == 1
    other = request_template("POST", body={**body, "name": "B"}, idempotency_key="k")
    assert (other.status, other.body["code"]) == (409, "IdempotencyConflict")
    request_template("DELETE", f"/{first.body['template_id']}")
    assert request_template("POST", body=body, idempotency_key="k").body["code"] == "TemplateNotFound"


def test_other_people_s_templates_are_not_there(deployment):
    templates = deployment.serve().templates
    theirs = templates.create(IconTemplate(kind=TemplateKind.ICON, name="A"), "someone")
    templates.set_default(theirs.template_id, "someone")
    assert templates.list("default", TemplateFilter(), TemplateOrder.NEWEST_FIRST) == ()
    assert templates.default(TemplateKind.ICON, "default") is None
    for operation in (templates.get, templates.delete, templates.set_default, templates.update):
        with pytest.raises(TemplateNotFoundError):
            operation(theirs.template_id, "default")
    assert templates.get(theirs.template_id, "someone").is_default


def submit(deployment, call, recorded, **wanted):
    deployment.put(f"uploads/default/{UPLOAD_ID}/clip.mp4")
    return call(create_job, recorded("create_job"), {"source": {"upload_id": UPLOAD_ID}, **wanted})


def test_a_job_takes_its_template_s_settings(deployment, call, recorded, made):
    template_id = made(captions={"regions": [TOP]}, quality="premium")
    answer = submit(deployment, call, recorded, template_id=template_id)
    assert answer.status == 202
    assert answer.body["request"]["template_id"] == template_id
    assert answer.body["request"]["erase"]["captions"]["regions"] == [TOP]
    assert answer.body["request"]["erase"]["quality"] == "premium"


def test_what_a_job_says_itself_wins_over_its_template(deployment, call, recorded, made):
    template_id = made(captions={"regions": [TOP], "keep": [BOTTOM]}, quality="premium")
    erase = {"captions": {"regions": [BOTTOM]}}
    answer = submit(deployment, call, recorded, template_id=template_id, erase=erase, upscale={})
    settled = answer.body["request"]["erase"]
    assert (settled["captions"]["regions"], settled["captions"]["keep"]) == ([BOTTOM], [BOTTOM])
    assert settled["quality"] == "premium"
    assert (
        submit(deployment, call, recorded, template_id=template_id, erase={"quality": "normal"}).body["request"][
            "erase"
        ]["quality"]
        == "normal"
    )


def test_an_unknown_template_and_one_of_another_kind_are_refused_before_anything_starts(
    deployment, call, recorded, made
):
    unknown = submit(deployment, call, recorded, template_id="no-such-template")
    assert (unknown.status, unknown.body["code"], unknown.body["field"]) == (404, "TemplateNotFound", "template_id")
    for kind, erase, allowed in (("icon", {"captions": {}}, "caption"), ("caption", {"icons": {}}, "icon")):
        other = submit(deployment, call, recorded, template_id=made(kind=kind), erase=erase)
        assert (other.status, other.body["code"], other.body["allowed"]) == (400, "TemplateKindMismatch", allowed)
    assert deployment.executions() == []


def test_a_template_for_icons_leaves_captions_alone_unless_the_job_names_them(deployment, call, recorded, made):
    template_id = made(kind="icon", icons={"kinds": ["tv"], "keep": [TOP]}, quality="premium")
    for erase in (None, {}, {"quality": "premium"}, {"icons": {}}):
        settled = submit(deployment, call, recorded, template_id=template_id, erase=erase).body["request"]["erase"]
        assert (settled["captions"], settled["quality"]) == (None, "premium")
        assert (settled["icons"]["kinds"], settled["icons"]["keep"]) == (["tv"], [TOP])
    both = {"captions": {"regions": [TOP]}, "icons": {"kinds": ["internet"]}}
    settled = submit(deployment, call, recorded, template_id=template_id, erase=both).body["request"]["erase"]
    assert settled["captions"]["regions"] == [TOP]
    assert (settled["icons"]["kinds"], settled["icons"]["keep"]) == (["internet"], [TOP])


def test_settings_that_do_not_go_together_are_refused(deployment, call, recorded, made):
    template_id = made(captions={"erase_everything": True, "regions": [TOP]})
    erase = {"captions": {"regions": [{**TOP, "height": 1.0}]}}
    answer = submit(deployment, call, recorded, template_id=template_id, erase=erase)
    assert (answer.status, answer.body["code"]) == (400, "InvalidRequest")
    assert answer.body["field"] == "erase.captions.regions"
    assert "template" in answer.body["detail"]


def test_the_service_layer_changes_one_thing_at_a_time(deployment, made):
    templates = deployment.serve().templates
    template_id = made(quality="premium")
    renamed = templates.update(template_id, "default", name="New")
    assert (renamed.name, renamed.settings.quality) == ("New", Quality.PREMIUM)
    reset = templates.update(template_id, "default", settings=CaptionSettings())
    assert (reset.name, reset.settings.quality) == ("New", Quality.NORMAL)
    with pytest.raises(TemplateKindMismatchError):
        templates.update(template_id, "default", settings=IconTemplate(kind=TemplateKind.ICON, name="x").settings)


def test_a_request_without_a_template_is_left_as_it_is(deployment):
    request = JobRequest.model_validate({"source": {"url": "https://example.com/a.mp4"}, "upscale": {}})
    assert deployment.serve().templates.fill_in(request, "default") is request
