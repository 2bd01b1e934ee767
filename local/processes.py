"""The service's side of the process host: starts processes, waits for them, ends them."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


class ManagedProcess:
    """One process (and its group) that the process host started."""

    def __init__(self, host: ProcessHost, name: str) -> None:
        self._host = host
        self.name = name
        self.pid: int | None = None
        self.exit_code: int | None = None
        self._ended = threading.Event()

    def wait(self, timeout_seconds: float | None = None) -> int | None:
        """Return the exit code (128 + signal when killed), or None when the time is up."""
        return self.exit_code if self._ended.wait(timeout_seconds) else None

    def kill(self) -> None:
        """Kill the process group at once."""
        self._host.signal(self.name, signal.SIGKILL)

    def terminate(self, grace_seconds: float) -> None:
        """Ask the process group to end; kill it after ``grace_seconds``."""
        self._host.signal(self.name, signal.SIGTERM)
        if self.wait(grace_seconds) is None:
            self.kill()

    def on_report(self, report: dict[str, int]) -> None:
        """Take in what the host says of this process."""
        self.pid = report.get("pid", self.pid)
        if "exit_code" in report:
            self.exit_code = report["exit_code"]
            self._ended.set()


class ProcessHost:
    """Owns ``python -m local.process_host``; every process of the service is started through it."""

    def __init__(self, log_folder: Path) -> None:
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._processes: dict[str, ManagedProcess] = {}
        with (log_folder / "process_host.log").open("ab") as log:
            self._host = subprocess.Popen(
                [sys.executable, "-m", "local.process_host"],
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # The host must not see the terminal's Ctrl-C: it ends when its stdin ends.
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read_reports, name="process-reports", daemon=True)
        self._reader.start()

    def start_function(
        self, name: str, *, handler: str, env: Mapping[str, str], folder: Path, log: Path
    ) -> ManagedProcess:
        """Start a Lambda runtime for ``handler`` (``module.function`` in ``folder``)."""
        return self._start(
            name, {"do": "function", "handler": handler, "env": dict(env), "cwd": str(folder), "log": str(log)}
        )

    def start_command(
        self, name: str, *, argv: Sequence[str], env: Mapping[str, str], folder: Path, log: Path
    ) -> ManagedProcess:
        """Start a command; its output is appended to ``log``."""
        return self._start(
            name, {"do": "command", "argv": list(argv), "env": dict(env), "cwd": str(folder), "log": str(log)}
        )

    def signal(self, name: str, number: int) -> None:
        """Send a signal to the group of a process; nothing happens when it has ended."""
        self._send({"do": "signal", "name": name, "signal": int(number)})

    def close(self) -> None:
        """End every process and the host itself; returns when they are gone."""
        if self._host.stdin is not None and not self._host.stdin.closed:
            self._host.stdin.close()
        try:
            self._host.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.kill(self._host.pid, signal.SIGKILL)
            self._host.wait()
        self._reader.join(timeout=5)
        if self._host.stdout is not None:
            self._host.stdout.close()

    def _start(self, name: str, request: dict[str, object]) -> ManagedProcess:
        process = ManagedProcess(self, f"{name}#{next(self._numbers)}")
        with self._lock:
            self._processes[process.name] = process
        if not self._send({**request, "name": process.name}):
            process.on_report({"exit_code": 128 + signal.SIGKILL})
        return process

    def _send(self, request: dict[str, object]) -> bool:
        line = json.dumps(request).encode() + b"\n"
        with self._lock:
            stdin = self._host.stdin
            if stdin is None or stdin.closed:
                return False
            try:
                stdin.write(line)
                stdin.flush()
            except BrokenPipeError:
                return False
        return True

    def _read_reports(self) -> None:
        stdout = self._host.stdout
        if stdout is None:
            return
        for line in stdout:
            report = json.loads(line)
            with self._lock:
                process = self._processes.get(report["name"])
                if "exit_code" in report:
                    self._processes.pop(report["name"], None)
            if process is not None:
                process.on_report(report)
        # The host is gone, and everything that it started with it.
        with self._lock:
            orphans, self._processes = list(self._processes.values()), {}
        for process in orphans:
            process.on_report({"exit_code": 128 + signal.SIGKILL})
