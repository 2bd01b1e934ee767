"""A Batch job's container, for real: `docker run` of the worker's image."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.containers.engine import Engine, EngineError
from local.processes import REPOSITORY, ManagedProcess, ProcessHost


@dataclass(frozen=True)
class ContainerWorker:
    """Starts each attempt in a container of its own.

    ``environment`` is what the task role and Batch would give it; every container carries ``label``.
    """

    engine: Engine
    image: str
    label: str
    environment: Mapping[str, str]

    def start(
        self, host: ProcessHost, name: str, arguments: Sequence[str], own: Mapping[str, str], log: Path
    ) -> ManagedProcess:
        """Start one attempt. SIGTERM to the client goes on to the container; SIGKILL does not: see :meth:`clear`."""
        inside = {**self.environment, **own}
        # By name only: a value on the command line would be in every list of processes.
        passed = [part for variable in inside for part in ("--env", variable)]
        return host.start_command(
            name,
            argv=[
                *(self.engine.client, "run", "--rm", "--name", name, "--label", self.label, *passed),
                *(self.image, *arguments),
            ],
            env={"PATH": os.environ.get("PATH", os.defpath), **self.engine.environment, **inside},
            folder=REPOSITORY,
            log=log,
        )

    def clear(self, name: str) -> None:
        """Remove what an attempt leaves when its client was killed."""
        with contextlib.suppress(EngineError):
            self.engine.call("rm", "--force", name)
