"""Finds a Docker engine, or starts one of its own and ends it afterwards."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.process_host import die_with_parent

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
#: From this version of the client on, BuildKit is a plugin that may be missing; before, it is part of the client.
_BUILDX_SINCE = 23


class EngineUnavailableError(Exception):
    """Raised when there is no Docker engine and none can be started; the message says why."""


class EngineError(Exception):
    """Raised when a call of the Docker client fails; the message is the end of what it said."""


@dataclass(frozen=True)
class Engine:
    """A running engine: the client's program, and what the client's environment holds to find the engine."""

    client: str
    environment: Mapping[str, str]

    def call(self, *arguments: str, timeout_seconds: float = 120, given: str = "") -> str:
        """Run the client, with ``given`` as its input, and return its output.

        Raises:
            EngineError: it fails, or takes longer than ``timeout_seconds``.
        """
        try:
            done = subprocess.run(  # noqa: S603 - the Docker client
                [self.client, *arguments],
                env={**os.environ, **self.environment},
                input=given,
                capture_output=True,
                text=True,
                timeout=timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"docker {arguments[0]} took longer than {timeout_seconds:.0f} s") from error
        if done.returncode != 0:
            raise EngineError(f"docker {arguments[0]}: {(done.stderr or done.stdout).strip()[-2000:]}")
        return done.stdout.strip()

    def gateway(self) -> str:
        """Return the address under which containers reach this machine.

        The first engine that a machine ever runs names the network only; the bridge has the first address in it.
        """
        told, *_ = json.loads(self.call("network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"))
        return str(told.get("Gateway") or next(ipaddress.ip_network(told["Subnet"]).hosts()))

    def containers(self, condition: str) -> list[str]:
        """Return the IDs of the containers, running or not, that a filter such as ``label=NAME`` lets through."""
        return self.call("ps", "--all", "--quiet", "--filter", condition).split()

    def remove_containers(self, condition: str) -> None:
        """Remove the containers that a filter lets through, running or not."""
        if found := self.containers(condition):
            self.call("rm", "--force", "--volumes", *found)


@contextlib.contextmanager
def running_engine(folder: Path) -> Iterator[Engine]:
    """Give a Docker engine: the one that answers already, else one that is started here and ended at the exit.

    ``folder`` keeps the images of an engine that is started here, so that the next start finds them.

    Raises:
        EngineUnavailableError: there is none, and none can be started.
    """
    client = _client()
    given = Engine(client, {"DOCKER_BUILDKIT": "1"})
    with contextlib.suppress(EngineError):
        given.call("version", timeout_seconds=20)
        yield given
        return
    program = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise EngineUnavailableError("no Docker engine answers, and dockerd is not installed")
    if os.geteuid() != 0:
        raise EngineUnavailableError("no Docker engine answers, and only root can start one")
    with _own_engine(client, program, folder) as engine:
        yield engine


def _client() -> str:
    """Return a Docker client that builds with BuildKit: the first on PATH may lack the plugin for it."""
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/bin"]
    found = [path for folder in folders if (path := shutil.which("docker", path=folder)) is not None]
    if not found:
        raise EngineUnavailableError("the Docker client is not installed")
    for client in found:
        if _output([client, "buildx", "version"]) is not None:
            return client
        version = _output([client, "--version"]) or ""
        if version.startswith("Docker version ") and int(version.split()[2].split(".")[0]) < _BUILDX_SINCE:
            return client
    raise EngineUnavailableError(f"{found[0]} cannot build with BuildKit: its plugin buildx is not installed")


def _output(command: Sequence[str]) -> str | None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603 - as above
    return done.stdout if done.returncode == 0 else None


@contextlib.contextmanager
def _own_engine(client: str, program: str, folder: Path) -> Iterator[Engine]:
    folder.mkdir(parents=True, exist_ok=True)
    # Short: a socket's path may have 107 characters, and containerd appends to it.
    with tempfile.TemporaryDirectory(prefix="docker-") as short, (folder / "dockerd.log").open("wb") as log:
        socket = f"unix://{short}/docker.sock"
        engine = Engine(client, {"DOCKER_BUILDKIT": "1", "DOCKER_HOST": socket})
        daemon = subprocess.Popen(  # noqa: S603 - Docker's own daemon
            [
                program,
                *("--host", socket),
                *("--data-root", str(folder.resolve() / "images")),
                *("--exec-root", f"{short}/run"),
                *("--pidfile", f"{short}/dockerd.pid"),
            ],
            stdout=log,
            stderr=log,
            # The terminal's Ctrl-C is for us: the daemon ends when we are done with it, or gone.
            start_new_session=True,
            preexec_fn=functools.partial(die_with_parent, signal.SIGTERM),  # noqa: PLW1509 - called before any thread
        )
        try:
            _wait_for(engine, daemon, folder / "dockerd.log")
            # The engine is ours alone: what lies there was left by a start that was killed.
            engine.call("container", "prune", "--force")
            engine.call("image", "prune", "--force")
            yield engine
        finally:
            daemon.terminate()
            try:
                daemon.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _wait_for(engine: Engine, daemon: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if daemon.poll() is not None:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise EngineUnavailableError(f"dockerd ends at its start: {said[-1] if said else 'without a word'}")
        with contextlib.suppress(EngineError):
            engine.call("version", timeout_seconds=5)
            return
        time.sleep(0.2)
    raise EngineUnavailableError(f"dockerd did not answer within {_START_SECONDS:.0f} s; see {log}")
