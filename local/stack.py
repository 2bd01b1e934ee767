"""Creates in the local AWS what the template describes, and says what the rest of the local service has to run.

Made with boto3, resource by resource: moto's CloudFormation knows only parts of the types that we use.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import yaml  # type: ignore[import-untyped]
from botocore.config import Config

from local.functions import FunctionSpec
from local.template import ACCOUNT_ID, REGION, Template

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import TargetTypeDef


@dataclass(frozen=True)
class Authorizer:
    """What the HTTP API asks before it calls a route's function; without one of ``headers`` it does not even ask."""

    function_name: str
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    """One route of the HTTP API: a method, a path such as ``/v1/jobs/{job_id}``, and the function that answers."""

    method: str
    path: str
    function_name: str
    authorizer: Authorizer | None = None


@dataclass(frozen=True)
class QueueReader:
    """A function that is given the messages of a queue, at most ``batch_size`` at a time."""

    queue_arn: str
    function_name: str
    batch_size: int


@dataclass(frozen=True)
class LocalAws:
    """Where the local AWS answers, and a key to it."""

    endpoint_url: str
    access_key: str
    secret_key: str

    def client(self, service: str) -> Any:
        """Return a boto3 client of the local AWS."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=REGION,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(retries={"max_attempts": 1}),
        )


def functions_of(template: Template) -> tuple[FunctionSpec, ...]:
    """Return what each function of the template runs, with the globals that it inherits."""
    shared = template.function_globals()
    return tuple(
        FunctionSpec(
            name=resource.name,
            arn=template.arn(resource.logical_id),
            handler=resource.properties["Handler"],
            folder=template.folder / (resource.properties.get("CodeUri") or shared["CodeUri"]),
            timeout_seconds=int(resource.properties.get("Timeout") or shared.get("Timeout", 3)),
            memory_mb=int(resource.properties.get("MemorySize") or shared.get("MemorySize", 128)),
            environment={
                name: str(value)
                for part in (shared, resource.properties)
                for name, value in part.get("Environment", {}).get("Variables", {}).items()
            },
        )
        for resource in template.resources("AWS::Serverless::Function")
    )


def routes_of(template: Template) -> tuple[Route, ...]:
    """Return the routes of the HTTP API."""
    (api,) = template.resources("AWS::Serverless::HttpApi")
    auth = api.properties.get("Auth", {})
    authorizers = {
        name: Authorizer(facts["FunctionArn"], tuple(facts.get("Identity", {}).get("Headers", ())))
        for name, facts in auth.get("Authorizers", {}).items()
    }
    return tuple(
        Route(
            event["Properties"]["Method"].upper(),
            event["Properties"]["Path"],
            resource.name,
            # NONE is the name for no authorizer.
            authorizers.get(event["Properties"].get("Auth", {}).get("Authorizer", auth.get("DefaultAuthorizer"))),
        )
        for resource in template.resources("AWS::Serverless::Function")
        for event in resource.properties.get("Events", {}).values()
        if event["Type"] == "HttpApi"
    )


def queue_readers_of(template: Template) -> tuple[QueueReader, ...]:
    """Return the queues whose messages go to functions."""
    return tuple(
        QueueReader(event["Properties"]["Queue"], resource.name, int(event["Properties"].get("BatchSize", 10)))
        for resource in template.resources("AWS::Serverless::Function")
        for event in resource.properties.get("Events", {}).values()
        if event["Type"] == "SQS"
    )


def create(template: Template, aws: LocalAws) -> None:
    """Create tables, keys, bucket, queues, roles, Batch, state machine and rules."""
    _create_tables(template, aws.client("dynamodb"))
    _create_keys(template, aws.client("kms"))
    _create_roles(template, aws.client("iam"))
    _create_buckets(template, aws.client("s3"))
    _create_queues(template, aws.client("sqs"))
    _create_batch(template, aws.client("batch"))
    _create_state_machines(template, aws.client("stepfunctions"))
    _create_rules(template, aws.client("events"))


def _create_tables(template: Template, dynamodb: Any) -> None:
    creation = {"AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes", "LocalSecondaryIndexes"}
    for table in template.resources("AWS::DynamoDB::Table"):
        dynamodb.create_table(
            TableName=table.name, **{name: value for name, value in table.properties.items() if name in creation}
        )
        if expiry := table.properties.get("TimeToLiveSpecification"):
            dynamodb.update_time_to_live(TableName=table.name, TimeToLiveSpecification=expiry)


def _create_keys(template: Template, kms: Any) -> None:
    # By alias: KMS chooses the keys' own IDs, and the functions know only the alias.
    for alias in template.resources("AWS::KMS::Alias"):
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=alias.name, TargetKeyId=key_id)


def _create_roles(template: Template, iam: Any) -> None:
    for role in template.resources("AWS::IAM::Role"):
        iam.create_role(
            RoleName=role.name,
            AssumeRolePolicyDocument=json.dumps(role.properties["AssumeRolePolicyDocument"]),
            MaxSessionDuration=int(role.properties.get("MaxSessionDuration", 3600)),
        )


def _create_buckets(template: Template, s3: Any) -> None:
    # These the user of an account has already; here nobody else makes them.
    for name in {*template.resolve({"Ref": "SourceBuckets"}), *template.resolve({"Ref": "OutputBuckets"})}:
        s3.create_bucket(Bucket=name)
    for bucket in template.resources("AWS::S3::Bucket"):
        s3.create_bucket(Bucket=bucket.name)
        if versioning := bucket.properties.get("VersioningConfiguration"):
            s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration=versioning)
        notified = bucket.properties.get("NotificationConfiguration", {}).get("EventBridgeConfiguration", {})
        if notified.get("EventBridgeEnabled"):
            s3.put_bucket_notification_configuration(
                Bucket=bucket.name, NotificationConfiguration={"EventBridgeConfiguration": {}}
            )


def _create_queues(template: Template, sqs: Any) -> None:
    names = {"VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy"}
    # A queue that others hand their dead letters to has to be there before them.
    for queue in sorted(template.resources("AWS::SQS::Queue"), key=lambda queue: "RedrivePolicy" in queue.properties):
        attributes = {
            name: json.dumps(value) if isinstance(value, Mapping) else str(value)
            for name, value in queue.properties.items()
            if name in names
        }
        sqs.create_queue(QueueName=queue.name, Attributes=attributes)


def _create_batch(template: Template, batch: Any) -> None:
    for environment in template.resources("AWS::Batch::ComputeEnvironment"):
        # Unmanaged: this machine is the compute environment, there is nothing to scale.
        batch.create_compute_environment(
            computeEnvironmentName=environment.name,
            type="UNMANAGED",
            state="ENABLED",
            serviceRole=f"arn:aws:iam::{ACCOUNT_ID}:role/{_any_role(template)}",
        )
    for queue in template.resources("AWS::Batch::JobQueue"):
        batch.create_job_queue(
            jobQueueName=queue.name,
            state=queue.properties.get("State", "ENABLED"),
            priority=int(queue.properties["Priority"]),
            computeEnvironmentOrder=_as_batch_names_it(queue.properties["ComputeEnvironmentOrder"]),
        )
    for definition in template.resources("AWS::Batch::JobDefinition"):
        facts = _as_batch_names_it(definition.properties)
        # An integer, which CloudFormation takes as text where a parameter fills it in.
        timeout = {name: int(value) for name, value in facts.get("timeout", {}).items()}
        batch.register_job_definition(
            jobDefinitionName=definition.name,
            type="container",
            containerProperties=_without_log_options(facts["containerProperties"]),
            retryStrategy=facts.get("retryStrategy", {"attempts": 1}),
            **({"timeout": timeout} if timeout else {}),
        )


def _any_role(template: Template) -> str:
    """Return a role that exists: moto wants one for an environment, but nothing is done in its name."""
    return template.resources("AWS::IAM::Role")[0].name


def _as_batch_names_it(value: Any) -> Any:
    """Turn CloudFormation's ``JobRoleArn`` into the Batch API's ``jobRoleArn``, all the way down."""
    if isinstance(value, Mapping):
        return {name[0].lower() + name[1:]: _as_batch_names_it(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_batch_names_it(item) for item in value]
    return value


def _without_log_options(container: dict[str, Any]) -> dict[str, Any]:
    """Leave out where containers log to: here, a worker's output is a file."""
    return {name: value for name, value in container.items() if name != "logConfiguration"}


def _create_state_machines(template: Template, stepfunctions: Any) -> None:
    for machine in template.resources("AWS::Serverless::StateMachine"):
        text = (template.folder / machine.properties["DefinitionUri"]).read_text(encoding="utf-8")
        values = machine.properties.get("DefinitionSubstitutions", {})
        filled = re.sub(r"\$\{(\w+)\}", functools.partial(_value_of, values), text)
        stepfunctions.create_state_machine(
            name=machine.name,
            definition=_as_json(filled),
            roleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/{machine.name}",
        )


@functools.lru_cache(maxsize=1)
def _as_json(definition: str) -> str:
    # Kept: reading YAML takes a quarter of the time that a stack takes, and tests make the same one hundreds of times.
    return json.dumps(yaml.safe_load(definition))


def _value_of(values: Mapping[str, Any], match: re.Match[str]) -> str:
    return str(values[match.group(1)])


def _create_rules(template: Template, events: Any) -> None:
    for own in template.resources("AWS::Events::Rule"):
        events.put_rule(Name=own.name, EventPattern=json.dumps(own.properties["EventPattern"]), State="ENABLED")
        events.put_targets(Rule=own.name, Targets=list(own.properties["Targets"]))
    for function in template.resources("AWS::Serverless::Function"):
        for name, event in function.properties.get("Events", {}).items():
            if event["Type"] != "EventBridgeRule":
                continue
            rule = f"{function.name}-{name}"
            facts = event["Properties"]
            events.put_rule(Name=rule, EventPattern=json.dumps(facts["Pattern"]), State="ENABLED")
            target: TargetTypeDef = {"Id": function.name, "Arn": template.arn(function.logical_id)}
            if "InputTransformer" in facts:
                target["InputTransformer"] = facts["InputTransformer"]
            events.put_targets(Rule=rule, Targets=[target])
