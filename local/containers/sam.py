"""The SAM command line: builds what is deployed, and runs it in containers."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.containers.engine import Engine
from local.functions import FunctionNotDeployedError, Functions, InvocationResult, name_in
from local.processes import REPOSITORY
from local.template import REGION, Template

_BUILD_SECONDS = 900
#: The longest that a function may run, and its start.
_INVOKE_SECONDS = 960
#: What a function has at least: a cold start beside everything else on one machine is not one on AWS.
_PATIENCE_SECONDS = 120


class SamError(Exception):
    """Raised when a command of SAM fails; the message is the end of what it said."""


@dataclass(frozen=True)
class Sam:
    """The program, and the folder that it builds into."""

    program: Path
    build_folder: Path

    def validate(self) -> None:
        """Check the template as a deployment would, lint included.

        Raises:
            SamError: it is not valid.
        """
        self._run("validate", "--lint", "--template", str(REPOSITORY / "template.yaml"))

    def build(self) -> None:
        """Install each function's requirements beside its code, and make the layer.

        Raises:
            SamError: something cannot be built.
        """
        # Not cached: all functions share one folder, and SAM's cache would hold a copy of it for each of them.
        self._run(
            *("build", "--no-cached", "--template", str(REPOSITORY / "template.yaml")),
            *("--build-dir", str(self.build_folder)),
        )
        built = self.build_folder / "template.yaml"
        built.write_text(patient(built.read_text(encoding="utf-8")), encoding="utf-8")

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 - AWS's own tool
            [str(self.program), *arguments],
            cwd=REPOSITORY,
            env={**os.environ, **environment()},
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise SamError(f"sam {arguments[0]}: {(done.stdout + done.stderr).strip()[-2000:]}")


def patient(template: str) -> str:
    """Return a built template whose functions have the time that a slow machine takes; all else is as it was."""

    def longer(match: re.Match[str]) -> str:
        return f"{match[1]}Timeout: {max(int(match[2]), _PATIENCE_SECONDS)}"

    return re.sub(r"^( +)Timeout: (\d+)$", longer, template, flags=re.MULTILINE)


def environment() -> dict[str, str]:
    """Return what every command of SAM is told: to send nothing home, and which region's rules hold."""
    return {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": REGION}


@dataclass(frozen=True)
class SamLocal:
    """How functions are run by `sam local`: of which build, in which image, with which variables and credentials."""

    sam: Sam
    engine: Engine
    image: str
    variables: Path
    credentials: Mapping[str, str]

    def command(self, name: str, *arguments: str) -> list[str]:
        """Return the command line of `sam local NAME`."""
        return [
            *(str(self.sam.program), "local", name, *arguments),
            *("--template", str(self.sam.build_folder / "template.yaml"), "--env-vars", str(self.variables)),
            *("--invoke-image", self.image, "--skip-pull-image"),
        ]

    def environment(self) -> dict[str, str]:
        """Return the environment of that command."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": os.environ.get("HOME", "/"),
            **environment(),
            **self.engine.environment,
            **self.credentials,
        }


def write_variables(template: Template, variables: Mapping[str, Mapping[str, str]], path: Path) -> None:
    """Write what each function's environment holds, for ``--env-vars``; SAM itself resolves no references."""
    ids = {resource.name: resource.logical_id for resource in template.resources("AWS::Serverless::Function")}
    path.write_text(json.dumps({ids[name]: dict(own) for name, own in variables.items()}), encoding="utf-8")


class SamFunctions(Functions):
    """The functions behind `sam local start-lambda`."""

    def __init__(self, template: Template, port: int) -> None:
        self._port = port
        self._ids = {resource.name: resource.logical_id for resource in template.resources("AWS::Serverless::Function")}
        # The emulator in a container takes one invocation at a time.
        self._turns = {name: threading.Lock() for name in self._ids}

    def invoke(self, name_or_arn: str, payload: bytes) -> InvocationResult:
        """Run a function in its container."""
        name = name_in(name_or_arn)
        if name not in self._ids:
            raise FunctionNotDeployedError(f"function not found: {name_or_arn}")
        with self._turns[name]:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_INVOKE_SECONDS)
            try:
                connection.request("POST", f"/2015-03-31/functions/{self._ids[name]}/invocations", payload)
                answer = connection.getresponse()
                body = answer.read()
            except ConnectionError:
                # Ended, or about to be: an event that comes now finds nobody.
                return InvocationResult(b"", "Unhandled")
            finally:
                connection.close()
        return InvocationResult(
            body, "Unhandled" if answer.status >= http.client.BAD_REQUEST or _failed(body) else None
        )

    def warm(self) -> None:
        """Do nothing: a container is started at its function's first invocation, and kept."""


def _failed(body: bytes) -> bool:
    """Tell whether an answer is an error document; the emulator leaves out the header that says so."""
    try:
        document = json.loads(body or b"null")
    except ValueError:
        return False
    return isinstance(document, dict) and {"errorMessage", "errorType"} <= document.keys()
