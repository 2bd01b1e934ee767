"""The service with containers: functions and API through `sam local`, Batch jobs through `docker run`, AWS as ever."""

from __future__ import annotations

import contextlib
import time
import urllib.parse
from dataclasses import dataclass
from socket import create_connection, socket

from local import stack
from local.batch_jobs import Worker
from local.containers.engine import Engine, EngineError
from local.containers.sam import Sam, SamFunctions, SamLocal, write_variables
from local.containers.worker import ContainerWorker
from local.functions import Functions
from local.ports import listen_on
from local.processes import REPOSITORY, ManagedProcess
from local.service import Service, ServiceOptions
from local.template import Template

_START_SECONDS = 180.0


class ContainerStartError(Exception):
    """Raised when a part of the service with containers does not come up; the message names its log."""


@dataclass(frozen=True)
class Parts:
    """What the service is made of: the engine, SAM with what it has built, and the two images."""

    engine: Engine
    sam: Sam
    lambda_image: str
    worker_image: str


class ContainerService(Service):
    """The running service; a context manager that leaves no process and no container behind.

    Raises:
        ContainerStartError: `sam local` does not come up.
    """

    def __init__(self, options: ServiceOptions, parts: Parts) -> None:
        super().__init__(options)
        self._parts = parts
        address = urllib.parse.urlsplit(self.aws.endpoint_url)
        gateway, port = parts.engine.gateway(), address.port or 0
        # Containers reach this machine under the address of their bridge, and nobody else does.
        self._bridge_socket = listen_on(port, gateway)
        self._endpoint_inside = f"http://{gateway}:{port}"
        # SAM names what it makes of an image after the image alone: one of this start's own, with its own endpoint.
        self._image = f"smart-erase/lambda-at-{port}"
        self._label = f"smart-erase.local={port}"

    def close(self) -> None:
        """End all processes and containers, and close the ports."""
        super().close()
        self._bridge_socket.close()
        with contextlib.suppress(EngineError):
            for condition in (f"ancestor={self._image}", f"label={self._label}"):
                self._parts.engine.remove_containers(condition)
            made = self._parts.engine.call("images", "--quiet", "--no-trunc", self._image).split()
            self._parts.engine.call("rmi", "--force", *dict.fromkeys(made))

    @property
    def sam_local(self) -> SamLocal:
        """How functions are run here: for `sam local invoke` beside the service."""
        return SamLocal(
            self._parts.sam,
            self._parts.engine,
            self._image,
            self.data_folder / "variables.json",
            {"AWS_ACCESS_KEY_ID": self.aws.access_key, "AWS_SECRET_ACCESS_KEY": self.aws.secret_key},
        )

    def _own_parameters(self) -> dict[str, str]:
        # A client is outside the containers: links lead where it reaches the bucket.
        return {**super()._own_parameters(), "PublicS3Endpoint": self.aws.endpoint_url}

    def _aws_sockets(self) -> tuple[socket, ...]:
        return (self._aws_socket, self._bridge_socket)

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "AWS_ENDPOINT_URL": self._endpoint_inside}

    def _functions(self, template: Template) -> Functions:
        variables = {spec.name: spec.environment for spec in stack.functions_of(template)}
        write_variables(template, variables, self.sam_local.variables)
        # What the functions find in their environment on AWS, they find in the image: SAM passes on what it knows only.
        dockerfile = f"FROM {self._parts.lambda_image}\nENV AWS_ENDPOINT_URL={self._endpoint_inside}\n"
        self._parts.engine.call("build", "--tag", self._image, "-", given=dockerfile)
        with listen_on(0) as free:
            port = free.getsockname()[1]
        self._start_sam("start-lambda", port)
        return SamFunctions(template, port)

    def _worker(self) -> Worker:
        wanted = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        environment = {name: value for name, value in self._environment().items() if name in wanted}
        return ContainerWorker(self._parts.engine, self._parts.worker_image, self._label, environment)

    def _open_door(self, template: Template, functions: Functions) -> None:  # noqa: ARG002 - SAM reads the template
        # The port was held until now, so that nobody else has taken it.
        port = self._api_socket.getsockname()[1]
        self._api_socket.close()
        self._start_sam("start-api", port)

    def _start_sam(self, name: str, port: int) -> None:
        log = self.log_folder / f"sam-{name}.log"
        process = self._host.start_command(
            f"sam-{name}",
            argv=self.sam_local.command(name, "--host", "127.0.0.1", "--port", str(port), "--warm-containers", "LAZY"),
            env=self.sam_local.environment(),
            folder=REPOSITORY,
            log=log,
        )
        if not _answers(process, port):
            raise ContainerStartError(f"sam local {name} does not come up; see {log}")


def _answers(process: ManagedProcess, port: int) -> bool:
    """Wait until something listens on a port; False when the process ends, or takes too long."""
    deadline = time.monotonic() + _START_SECONDS
    while process.exit_code is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), create_connection(("127.0.0.1", port), timeout=5):
            return True
        time.sleep(0.2)
    return False
