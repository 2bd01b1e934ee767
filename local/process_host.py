"""The one process that starts all others: Lambda functions (forked, libraries loaded) and Batch jobs (commands).

Run as ``python -m local.process_host`` by :class:`local.processes.ProcessHost`. Requests arrive as JSON lines on stdin,
reports leave as JSON lines on stdout. Why a process of its own: it has one thread, so that forking is safe; it loads
boto3 and Powertools once, so that a function starts in a fraction of its cold time; and its stdin ends when the service
ends *in any way*, so that nothing outlives the service, not even after SIGKILL.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import selectors
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

#: Loaded before the first fork: what nearly every function imports, and nothing that reads its environment on import.
_PRELOADED = (
    "boto3",
    "pydantic",
    "aws_lambda_powertools",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.event_handler.openapi.models",
    "aws_lambda_powertools.utilities.idempotency",
    "aws_lambda_powertools.utilities.parser",
)
_PR_SET_PDEATHSIG = 1


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Ask Linux to send this process a signal when its parent dies; elsewhere the end of stdin has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


class ProcessTable:
    """Starts processes, each a group of its own, and knows which of them live."""

    def __init__(self, reports: BinaryIO, own_descriptors: tuple[int, ...]) -> None:
        self._reports = reports
        self._own_descriptors = own_descriptors
        self._names: dict[int, str] = {}

    def obey(self, request: dict[str, Any]) -> None:
        """Carry out one request; a process that cannot be started is reported as ended with code 127."""
        if request["do"] == "signal":
            self._signal(request["name"], request["signal"])
            return
        try:
            pid = self._fork_function(request) if request["do"] == "function" else self._spawn(request)
        except OSError as error:
            sys.stderr.write(f"cannot start {request['name']}: {error}\n")
            self._report({"name": request["name"], "exit_code": 127})
            return
        self._names[pid] = request["name"]
        self._report({"name": request["name"], "pid": pid})

    def reap(self) -> None:
        """Report every child that has ended."""
        while self._names:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            name = self._names.pop(pid)
            # What a process left behind in its group goes with it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            self._report({"name": name, "exit_code": 128 - code if code < 0 else code})

    def kill_all(self) -> None:
        """Kill every process group that is left."""
        for pid in self._names:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def _signal(self, name: str, number: int) -> None:
        for pid, known in self._names.items():
            if known == name:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, number)

    def _report(self, report: dict[str, Any]) -> None:
        # The service may be gone already; the end of stdin is what ends this process then.
        with contextlib.suppress(BrokenPipeError):
            self._reports.write(json.dumps(report).encode() + b"\n")
            self._reports.flush()

    def _spawn(self, request: dict[str, Any]) -> int:
        with Path(request["log"]).open("ab") as log:
            # preexec_fn is safe here: this process has a single thread.
            process = subprocess.Popen(  # noqa: S603
                request["argv"],
                env=request["env"],
                cwd=request["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=die_with_parent,  # noqa: PLW1509
            )
        # The table reaps by pid; Popen must not wait for it as well.
        process.returncode = 0
        return process.pid

    def _fork_function(self, request: dict[str, Any]) -> int:
        pid = os.fork()
        if pid == 0:
            _become_function(request, self._own_descriptors)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        return pid


def _become_function(request: dict[str, Any], own_descriptors: tuple[int, ...]) -> NoReturn:
    """Turn the forked child into the Lambda runtime; never returns into the host's loop."""
    code = 1
    try:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent()
        log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        for descriptor in (*own_descriptors, log, null):
            if descriptor > 2:
                os.close(descriptor)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        # A function sees its own folder and the installed packages, as in the cloud, not the repository.
        sys.path[:] = [request["cwd"], *(entry for entry in sys.path[1:] if entry)]
        # Imported only now: the runtime client reads AWS_LAMBDA_RUNTIME_API while it is imported.
        bootstrap = importlib.import_module("awslambdaric.bootstrap")
        client = importlib.import_module("awslambdaric.lambda_runtime_client")
        bootstrap.run(request["handler"], client.LambdaRuntimeClient(request["env"]["AWS_LAMBDA_RUNTIME_API"], False))
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:  # noqa: BLE001 - the child must never run on into the host's loop
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    """Serve requests until stdin ends, then kill what is left."""
    for name in _PRELOADED:
        importlib.import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    reports = os.fdopen(os.dup(1), "wb")
    # A stray print must not be taken for a report.
    os.dup2(2, 1)
    selector = selectors.SelectSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    table = ProcessTable(reports, (wake_read, wake_write, reports.fileno()))
    pending = b""
    while True:
        for key, _ in selector.select():
            if key.fd == wake_read:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 4096)
                table.reap()
                continue
            received = os.read(0, 65536)
            if not received:
                table.kill_all()
                return
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                table.obey(json.loads(line))


if __name__ == "__main__":
    main()
