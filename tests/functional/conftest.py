"""Handlers as Lambda calls them, against tables, bucket, queue and state machine made from ``template.yaml``."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from adapters.public_network import PublicNetwork
from adapters.service import Service, current_service, use_service
from adapters.settings import Settings
from adapters.source_fetcher import SourceFetcher
from domain.access import Caller, Quota, Scope
from local import stack
from local.template import Template

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "events"


@dataclass
class FakeContext:
    """What the Lambda runtime gives a handler."""

    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id: str = "8f5e1c0a-2b7d-4a3e-9c55-6d1f0e2b3a4c"
    tenant_id: str | None = None

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 15_000


@dataclass
class Clock:
    """A clock that the test sets."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@lru_cache
def cached_client(service: str) -> Any:
    """Make a client once for all tests: most of its cost is the loading of certificates that moto never uses."""
    return boto3.client(service)


def new_client(service: str, **options: Any) -> Any:
    return boto3.client(service, **options) if options.keys() - {"config"} else cached_client(service)


class CachedClients:
    """Stands where the local service names its endpoint."""

    client = staticmethod(cached_client)


class Deployment:
    """The stack in moto, and a way to call its functions."""

    def __init__(self, template: Template, clock: Clock) -> None:
        self.template = template
        stack.create(template, CachedClients())
        self.environment = stack.functions_of(template)[0].environment
        self.settings = Settings.from_environment(self.environment)
        self.clock = clock
        self.context = FakeContext()
        self.s3 = cached_client("s3")
        self.states = cached_client("stepfunctions")
        self.bucket = self.settings.media_bucket
        self.serve()
        self.caller = self.new_caller("default")

    def serve(self, fetcher: SourceFetcher | None = None, **settings: Any) -> Service:
        changed = self.settings.model_copy(update=settings)
        service = Service(changed, clock=self.clock, fetcher=fetcher or no_network(), new_client=new_client)
        use_service(service)
        return service

    def new_caller(self, owner: str, *scopes: Scope, **quota: int) -> Caller:
        """Make an access key, and return what the authorizer says of who uses it."""
        keys = current_service().access_keys
        key, _ = keys.create(owner, frozenset(scopes or Scope), Quota.model_validate(quota))
        return Caller(owner=owner, key_id=key.key_id, scopes=key.scopes, quota=key.quota)

    def put(self, key: str, body: bytes = b"video", **options: Any) -> str | None:
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **options).get("VersionId")

    def put_json(self, key: str, document: Any) -> None:
        self.put(key, json.dumps(document).encode())

    def keys_with(self, job_id: str) -> list[str]:
        """Return the keys of all objects that a job's steps have made."""
        found = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [item["Key"] for item in found if f"/{job_id}/" in item["Key"]]

    def executions(self) -> list[dict[str, Any]]:
        return self.states.list_executions(stateMachineArn=self.settings.state_machine_arn)["executions"]


def no_network() -> SourceFetcher:
    def refuse(*_arguments: object) -> Any:
        raise OSError("the tests have no network")

    return SourceFetcher(PublicNetwork(refuse, refuse, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def template() -> Template:
    return Template(ROOT / "template.yaml", "smart-erase", {"OutputBuckets": "out"})


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch, clock: Clock, template: Template) -> Iterator[Deployment]:
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws(config={"batch": {"use_docker": False}}):
        deployment = Deployment(template, clock)
        for name, value in deployment.environment.items():
            monkeypatch.setenv(name, value)
        yield deployment
        use_service(None)


@pytest.fixture
def recorded() -> Callable[[str], dict[str, Any]]:
    def load(name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
        return document

    return load


@dataclass
class Answer:
    """An HTTP answer, its body read."""

    status: int
    headers: dict[str, str]
    body: Any


@pytest.fixture
def call(deployment: Deployment) -> Callable[..., Answer]:
    """Call an HTTP function with an event; ``body`` replaces the event's body, ``caller`` who sends it."""

    def call_function(
        module: Any, event: dict[str, Any], body: Any = None, *, caller: Caller | None = None, **headers: str
    ) -> Answer:
        said = {"caller": (caller or deployment.caller).model_dump_json()}
        event = {**event, "requestContext": {**event["requestContext"], "authorizer": {"lambda": said}}}
        if body is not None:
            text = body if isinstance(body, str) else json.dumps(body)
            event = {**event, "body": text, "headers": {**event["headers"], "content-type": "application/json"}}
        event["headers"].update({name.replace("_", "-"): value for name, value in headers.items()})
        answer = module.handler(event, deployment.context)
        kept = {**answer.get("headers", {})}
        return Answer(answer["statusCode"], kept, json.loads(answer["body"]) if answer.get("body") else None)

    return call_function
