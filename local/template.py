"""Reads ``template.yaml`` and resolves its intrinsic functions, so that the local service is made of what is deployed.

Names are given the way CloudFormation would (stack name and logical ID), but without its random suffix: they are known
before anything is created, so functions and state machine may refer to each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ACCOUNT_ID = "123456789012"
REGION = "us-east-1"

_NO_VALUE = object()


class TemplateError(Exception):
    """Raised when the template uses something that the local service does not know, or names what is not there."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML with CloudFormation's short forms (``!Ref``), read as their long forms (``{"Ref": …}``)."""


def _long_form(loader: yaml.Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise TemplateError(f"cannot read the tag !{suffix}")
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)
# CloudFormation reads dates such as a policy's Version as text.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Resource:
    """One resource: its type, its resolved properties, and the name by which AWS would know it."""

    logical_id: str
    type: str
    name: str
    properties: Mapping[str, Any]


#: Property that carries a resource's own name, and the service and form of its ARN; ``{}`` stands for the name.
_NAMING: dict[str, tuple[str, str]] = {
    "AWS::Serverless::Function": ("FunctionName", "lambda:{region}:{account}:function:{name}"),
    "AWS::Serverless::StateMachine": ("Name", "states:{region}:{account}:stateMachine:{name}"),
    "AWS::Serverless::HttpApi": ("Name", "apigateway:{region}::/apis/{name}"),
    "AWS::DynamoDB::Table": ("TableName", "dynamodb:{region}:{account}:table/{name}"),
    "AWS::S3::Bucket": ("BucketName", "s3:::{name}"),
    "AWS::SQS::Queue": ("QueueName", "sqs:{region}:{account}:{name}"),
    "AWS::KMS::Alias": ("AliasName", "kms:{region}:{account}:{name}"),
    "AWS::IAM::Role": ("RoleName", "iam::{account}:role/{name}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs:{region}:{account}:log-group:{name}:*"),
    "AWS::Batch::ComputeEnvironment": (
        "ComputeEnvironmentName",
        "batch:{region}:{account}:compute-environment/{name}",
    ),
    "AWS::Batch::JobQueue": ("JobQueueName", "batch:{region}:{account}:job-queue/{name}"),
    "AWS::Batch::JobDefinition": ("JobDefinitionName", "batch:{region}:{account}:job-definition/{name}:1"),
}
#: Types whose ``Ref`` is the ARN; of a queue it is the URL, of all others the name.
_REF_IS_ARN = frozenset(
    {
        "AWS::Serverless::StateMachine",
        "AWS::Batch::ComputeEnvironment",
        "AWS::Batch::JobQueue",
        "AWS::Batch::JobDefinition",
    }
)


class Template:
    """A template with parameters filled in. Properties are resolved when a resource is asked for.

    Raises:
        TemplateError: an unknown parameter is given, or a value is resolved that the template does not define.
    """

    def __init__(self, path: Path, stack_name: str, parameters: Mapping[str, str]) -> None:
        self.folder = path.parent
        self._document: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
        declared = self._document.get("Parameters", {})
        if unknown := set(parameters) - set(declared):
            raise TemplateError(f"the template has no parameter {', '.join(sorted(unknown))}")
        self._values: dict[str, Any] = {
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT_ID,
            "AWS::Partition": "aws",
            "AWS::StackName": stack_name,
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::NoValue": _NO_VALUE,
            **{name: _parameter(facts, parameters.get(name)) for name, facts in declared.items()},
        }

    def resources(self, resource_type: str) -> tuple[Resource, ...]:
        """Return all resources of one type that the conditions let exist, in the order of the template."""
        return tuple(
            self._resource(logical_id)
            for logical_id, body in self._document["Resources"].items()
            if body["Type"] == resource_type and ("Condition" not in body or self._condition(body["Condition"]))
        )

    def resource(self, logical_id: str) -> Resource:
        """Return one resource.

        Raises:
            TemplateError: the template has none of this name.
        """
        return self._resource(logical_id)

    def function_globals(self) -> Mapping[str, Any]:
        """Return the resolved properties that all functions share."""
        found: Mapping[str, Any] = self.resolve(self._document.get("Globals", {}).get("Function", {}))
        return found

    def arn(self, logical_id: str) -> str:
        """Return the ARN of a resource."""
        body = self._body(logical_id)
        if body["Type"] not in _NAMING:
            return f"arn:aws:local:{REGION}:{ACCOUNT_ID}:{self._name(logical_id)}"
        pattern = _NAMING[body["Type"]][1]
        return "arn:aws:" + pattern.format(region=REGION, account=ACCOUNT_ID, name=self._name(logical_id))

    def resolve(self, value: Any) -> Any:
        """Return ``value`` with every intrinsic function replaced by what it stands for."""
        if isinstance(value, list):
            items = [self.resolve(item) for item in value]
            return [item for item in items if item is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Ref" or name.startswith("Fn::"):
                return self._call(name, argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _NO_VALUE}

    def _call(self, name: str, argument: Any) -> Any:  # noqa: PLR0911 - one line for each intrinsic function
        match name:
            case "Ref":
                return self._ref(argument)
            case "Fn::GetAtt":
                return self._attribute(argument[0], ".".join(argument[1:]))
            case "Fn::Sub":
                return self._substitute(argument)
            case "Fn::Join":
                return str(argument[0]).join(str(item) for item in self.resolve(argument[1]))
            case "Fn::If":
                return self.resolve(argument[1] if self._condition(argument[0]) else argument[2])
            case "Fn::Select":
                return self.resolve(argument[1])[int(self.resolve(argument[0]))]
            case "Fn::Split":
                return str(self.resolve(argument[1])).split(argument[0])
            case "Fn::GetAZs":
                return [f"{REGION}{letter}" for letter in "abc"]
        raise TemplateError(f"the local service does not know {name}")

    def _ref(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        resource_type = self._body(name)["Type"]
        if resource_type == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT_ID}/{self._name(name)}"
        return self.arn(name) if resource_type in _REF_IS_ARN else self._name(name)

    def _attribute(self, logical_id: str, attribute: str) -> str:
        if attribute == "Arn":
            return self.arn(logical_id)
        if attribute.endswith("Name"):
            return self._name(logical_id)
        # An attribute that only exists once AWS has made the resource (a repository's URI, a template's version).
        return f"{self._name(logical_id)}.{attribute}"

    def _substitute(self, argument: Any) -> str:
        text, local = (argument, {}) if isinstance(argument, str) else argument

        def value_of(match: re.Match[str]) -> str:
            name = match.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in local:
                return str(self.resolve(local[name]))
            logical_id, _, attribute = name.partition(".")
            return str(self._attribute(logical_id, attribute) if attribute else self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", value_of, text)

    def _condition(self, condition: Any) -> bool:
        if isinstance(condition, str):
            return self._condition(self._document["Conditions"][condition])
        name, argument = next(iter(condition.items()))
        match name:
            case "Condition":
                return self._condition(argument)
            case "Fn::Not":
                return not self._condition(argument[0])
            case "Fn::And":
                return all(self._condition(item) for item in argument)
            case "Fn::Or":
                return any(self._condition(item) for item in argument)
            case "Fn::Equals":
                first, second = (str(self.resolve(item)) for item in argument)
                return first == second
        raise TemplateError(f"the local service does not know the condition {name}")

    def _resource(self, logical_id: str) -> Resource:
        body = self._body(logical_id)
        return Resource(logical_id, body["Type"], self._name(logical_id), self.resolve(body.get("Properties", {})))

    def _body(self, logical_id: str) -> dict[str, Any]:
        try:
            body: dict[str, Any] = self._document["Resources"][logical_id]
        except KeyError as error:
            raise TemplateError(f"the template names {logical_id}, which it does not define") from error
        return body

    def _name(self, logical_id: str) -> str:
        body = self._body(logical_id)
        own = body.get("Properties", {}).get(_NAMING.get(body["Type"], ("", ""))[0])
        if own is not None:
            return str(self.resolve(own))
        name = f"{self._values['AWS::StackName']}-{logical_id}"
        return f"{name}-{ACCOUNT_ID}".lower() if body["Type"] == "AWS::S3::Bucket" else name


def _parameter(facts: Mapping[str, Any], given: str | None) -> Any:
    value = given if given is not None else facts.get("Default")
    if value is None:
        raise TemplateError("a parameter without default has no value")
    if facts["Type"] == "CommaDelimitedList":
        return [item.strip() for item in str(value).split(",")] if value else []
    return str(value)
