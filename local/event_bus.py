"""Delivers AWS events to the functions that the template's rules name, in the form and at the time AWS would."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from moto.events.models import events_backends
from moto.sqs.models import sqs_backends

from local.template import ACCOUNT_ID, REGION

_held = threading.local()
_sequence = itertools.count(1)


class UnknownTargetError(Exception):
    """Raised when a rule of the template has a target that is neither a Lambda function nor a queue."""


def put_event(source: str, detail_type: str, resource: str, detail: dict[str, Any]) -> None:
    """Put an event of an AWS service on the default bus."""
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT_ID,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [resource],
        "detail": detail,
    }
    backend: Any = events_backends[ACCOUNT_ID][REGION]
    for rule in list(backend.event_buses["default"].rules.values()):
        rule.send_to_targets(event)


def deliver(rule: Any, event: dict[str, Any], invoke_async: Callable[[str, bytes], None]) -> None:
    """Hand an event to the targets of a rule, if the rule is enabled and its pattern matches.

    Raises:
        UnknownTargetError: a target is neither a Lambda function nor a queue.
    """
    if rule.state != "ENABLED" or not rule.event_pattern.matches_event(event):
        return
    for target in rule.targets:
        if ":sqs:" in target["Arn"]:
            sqs_backends[ACCOUNT_ID][REGION].send_message(target["Arn"].rsplit(":", 1)[-1], input_of(target, event))
        elif ":lambda:" in target["Arn"]:
            invoke_async(target["Arn"], input_of(target, event).encode())
        else:
            raise UnknownTargetError(target["Arn"])


def input_of(target: dict[str, Any], event: dict[str, Any]) -> str:
    """Return what a target is given: the event, a constant, or a text with values of the event in it.

    A value goes in as JSON, or bare where its placeholder stands inside a string, as EventBridge does it.
    """
    if "Input" in target:
        return str(target["Input"])
    if "InputTransformer" not in target:
        return json.dumps(event)
    values: dict[str, Any] = {}
    for name, path in target["InputTransformer"].get("InputPathsMap", {}).items():
        value: Any = event
        for part in path.removeprefix("$").strip(".").split("."):
            value = value[part]
        values[name] = value
    text: str = target["InputTransformer"]["InputTemplate"]

    def fill(match: re.Match[str]) -> str:
        filled = json.dumps(values[match.group(1)])
        is_inside_a_string = text[: match.start()].count('"') % 2 == 1
        return filled.strip('"') if is_inside_a_string else filled

    return re.sub(r"<([\w-]+)>", fill, text)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Deliver the S3 events of one request when it has been carried out.

    moto notifies in the middle of a write, before it has stored the object's metadata, and announces a multipart
    upload twice (as ``Put`` and as ``CompleteMultipartUpload``): a function that reads at once would miss the
    metadata, and one upload would look like two. Of the events of one request for one object version, the last one is
    sent.
    """
    _held.events = {}
    try:
        yield
    finally:
        events: dict[tuple[str, ...], Callable[[], None]] = _held.events
        del _held.events
        for send in events.values():
            send()


def announce_object(bucket: Any, event_name: str, key: Any, detail_type: str) -> None:
    """Send what S3 tells EventBridge of an object; ``event_name`` is such as ``s3:ObjectCreated:Put``."""
    stored = {"key": key.name, "size": key.size, "etag": key.etag.strip('"'), "sequencer": f"{next(_sequence):016X}"}
    if key.version_id != "null":
        stored["version-id"] = key.version_id
    detail = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": stored,
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": ACCOUNT_ID,
        "source-ip-address": "127.0.0.1",
        "reason": event_name.rsplit(":", 1)[-1],
    }

    def send() -> None:
        put_event("aws.s3", detail_type, bucket.arn, detail)

    held: dict[tuple[str, ...], Callable[[], None]] | None = getattr(_held, "events", None)
    if held is None:
        send()
    else:
        held[bucket.name, key.name, key.version_id, detail_type] = send
