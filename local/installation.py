"""Which service a command means: the one on this machine, or a stack on AWS; its names, and how to reach it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from local.stack import LocalAws


class NoServiceError(Exception):
    """Raised when there is no service, or no stack, that a command could work on; the message is one line."""


@dataclass(frozen=True)
class Installation:
    """A service: ``outputs`` are those of its stack, and ``new_client`` takes the name of an AWS service."""

    name: str
    outputs: Mapping[str, str]
    new_client: Callable[[str], Any]

    def output(self, name: str) -> str:
        """Return what the stack says under a name.

        Raises:
            NoServiceError: it is a stack of an older template.
        """
        try:
            return self.outputs[name]
        except KeyError as error:
            raise NoServiceError(f"{self.name} has no output {name}; update it first") from error


def of_local_service(folders: list[Path]) -> Installation:
    """Return the service that runs with one of these data folders.

    Raises:
        NoServiceError: none of them belongs to a running service, or more than one.
    """
    found = [json.loads(path.read_text(encoding="utf-8")) for folder in folders for path in folder.glob("service.json")]
    running = [facts for facts in found if Path(f"/proc/{facts['pid']}").exists()]
    if len(running) != 1:
        raise NoServiceError(
            "no service is running; start one with: python -m local serve"
            if not running
            else "several services are running; name the folder of one with --data"
        )
    (facts,) = running
    aws = LocalAws(facts["aws_endpoint_url"], facts["aws_access_key_id"], facts["aws_secret_access_key"])
    return Installation("the service on this machine", facts["outputs"], aws.client)


def of_stack(stack_name: str) -> Installation:
    """Return a stack on AWS, with the credentials and region of the environment or the user's profile.

    Raises:
        NoServiceError: there is no such stack.
    """
    cloudformation = boto3.client("cloudformation")
    try:
        (stack,) = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    except cloudformation.exceptions.ClientError as error:
        raise NoServiceError(f"stack {stack_name}: {error.response['Error']['Message']}") from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    new_client: Callable[..., Any] = boto3.client
    return Installation(f"stack {stack_name}", outputs, new_client)
