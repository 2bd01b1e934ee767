"""Runs the Lambda functions: AWS's own Python runtime against our Runtime API, one process per concurrent invocation.

The Runtime API is AWS's public contract with a runtime (version 2018-06-01: ``next``, ``response``, ``error``). A
process is started at the first invocation (or ahead of it, see :meth:`LambdaFunction.warm`), then kept; one that dies
or runs over its timeout is replaced.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from local.processes import ManagedProcess, ProcessHost

logger = logging.getLogger(__name__)

#: Processes of one function at the same time; further invocations wait. Two cores gain nothing from more.
MAX_CONCURRENCY = 2
#: Time that a new process has to load its module, beyond the function's own timeout.
INIT_SECONDS = 20.0


@dataclass(frozen=True)
class FunctionSpec:
    """One function as the template describes it. ``handler`` is ``module.function`` inside ``folder``."""

    name: str
    arn: str
    handler: str
    folder: Path
    timeout_seconds: int
    memory_mb: int
    environment: Mapping[str, str]


@dataclass(frozen=True)
class InvocationResult:
    """The answer of a function: JSON bytes, and ``Unhandled`` when it failed."""

    payload: bytes
    function_error: str | None = None

    @classmethod
    def failure(cls, error_type: str, message: str) -> InvocationResult:
        """Return the error document that Lambda makes when the runtime itself fails."""
        return cls(json.dumps({"errorMessage": message, "errorType": error_type}).encode(), "Unhandled")


@dataclass
class _Invocation:
    payload: bytes
    deadline_ms: int
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    done: threading.Event = field(default_factory=threading.Event)
    result: InvocationResult | None = None

    def finish(self, result: InvocationResult) -> None:
        if not self.done.is_set():
            self.result = result
            self.done.set()


class ExecutionEnvironment:
    """One process of a function with the Runtime API that it polls."""

    def __init__(self, spec: FunctionSpec, host: ProcessHost, base_env: Mapping[str, str], log: Path) -> None:
        self._spec = spec
        self._next = threading.Condition()
        self._waiting: _Invocation | None = None
        self._current: _Invocation | None = None
        self._initialised = threading.Event()
        self._closed = False
        self._server = _serve_runtime_api(self)
        self._process: ManagedProcess = host.start_function(
            spec.name, handler=spec.handler, env=self._environment(base_env), folder=spec.folder, log=log
        )
        threading.Thread(target=self._watch, name=f"watch-{spec.name}", daemon=True).start()

    @property
    def is_alive(self) -> bool:
        """Tell whether the process can take another invocation."""
        return not self._closed and self._process.exit_code is None

    def invoke(self, payload: bytes) -> InvocationResult:
        """Hand over one event and wait for the answer; a process that runs over the timeout is killed."""
        timeout = self._spec.timeout_seconds
        ready = self._initialised.wait(INIT_SECONDS)
        invocation = _Invocation(payload, deadline_ms=int((time.time() + timeout) * 1000))
        with self._next:
            self._waiting = self._current = invocation
            self._next.notify()
        if self._process.exit_code is not None:
            invocation.finish(self._exit_failure())
        elif not ready or not invocation.done.wait(timeout):
            invocation.finish(
                InvocationResult.failure(
                    "Sandbox.Timedout",
                    f"RequestId: {invocation.request_id} Error: Task timed out after {timeout:.2f} seconds",
                )
            )
            self.close()
        if invocation.result is None:
            raise RuntimeError("an invocation ended without a result")
        return invocation.result

    def wait_until_ready(self) -> None:
        """Wait until the process asks for its first event, or has failed to load."""
        self._initialised.wait(INIT_SECONDS)

    def close(self) -> None:
        """Kill the process and stop its Runtime API."""
        self._closed = True
        self._process.kill()
        with self._next:
            self._next.notify_all()

    def next_invocation(self) -> _Invocation | None:
        """Block until there is an event for the runtime; None when this environment is closed."""
        self._initialised.set()
        with self._next:
            self._next.wait_for(lambda: self._waiting is not None or self._closed)
            invocation, self._waiting = self._waiting, None
            return invocation

    def on_answer(self, path: str, body: bytes) -> None:
        """Take in what the runtime posted: a response, an error, or an error of initialisation."""
        if path.endswith("/init/error"):
            self._initialised.set()
            failure = InvocationResult(body, "Unhandled")
            with self._next:
                self._next.wait_for(lambda: self._current is not None, timeout=1)
            if self._current is not None:
                self._current.finish(failure)
            return
        current = self._current
        if current is not None and f"/{current.request_id}/" in path:
            current.finish(InvocationResult(body, None if path.endswith("/response") else "Unhandled"))

    def _watch(self) -> None:
        self._process.wait()
        self._closed = True
        self._initialised.set()
        if self._current is not None:
            self._current.finish(self._exit_failure())
        with self._next:
            self._next.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def _exit_failure(self) -> InvocationResult:
        code = self._process.exit_code
        return InvocationResult.failure("Runtime.ExitError", f"Error: Runtime exited with error: exit status {code}")

    def _environment(self, base_env: Mapping[str, str]) -> dict[str, str]:
        spec = self._spec
        return {
            **base_env,
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
            "AWS_LAMBDA_RUNTIME_API": "{}:{}".format(*self._server.server_address[:2]),
            "LAMBDA_TASK_ROOT": str(spec.folder),
            "_HANDLER": spec.handler,
            "TZ": ":UTC",
            **spec.environment,
        }

    def headers_for(self, invocation: _Invocation) -> dict[str, str]:
        """Return the headers that go with an event to the runtime."""
        return {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self._spec.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }


class _RuntimeApiServer(ThreadingHTTPServer):
    daemon_threads = True
    # An idle runtime holds its long poll open; closing must not wait for it.
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Say nothing on the terminal: a runtime that was killed resets its connection."""
        logger.debug("runtime API: a connection ended in an error: %s", sys.exception())


def _serve_runtime_api(environment: ExecutionEnvironment) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body in one packet: Nagle's algorithm would add 40 ms to every invocation.
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            invocation = environment.next_invocation()
            if invocation is None:
                self._answer(410, {}, b"")
            else:
                self._answer(200, environment.headers_for(invocation), invocation.payload)

        def do_POST(self) -> None:
            body = self._read_body()
            environment.on_answer(self.path, body)
            self._answer(202, {"Content-Type": "application/json"}, b'{"status":"OK"}')

        def log_message(self, *_: object) -> None:
            return

        def _read_body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = bytearray()
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return bytes(body)

        def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

    server = _RuntimeApiServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
    return server


class LambdaFunction:
    """One function: hands each event to an idle process, starting at most ``MAX_CONCURRENCY`` of them."""

    def __init__(self, spec: FunctionSpec, host: ProcessHost, base_env: Mapping[str, str], log_folder: Path) -> None:
        self.spec = spec
        self._host = host
        self._base_env = base_env
        self._log = log_folder / f"{spec.name}.log"
        self._lock = threading.Lock()
        self._idle: list[ExecutionEnvironment] = []
        self._slots = threading.Semaphore(MAX_CONCURRENCY)

    def invoke(self, payload: bytes) -> InvocationResult:
        """Run the function on a JSON event; waits while all its processes are busy."""
        with self._slots:
            environment = self._take()
            try:
                return environment.invoke(payload)
            finally:
                self._give_back(environment)

    def warm(self) -> None:
        """Start a process ahead of the first invocation; returns when it has loaded."""
        with self._lock:
            if self._idle:
                return
        environment = self._take()
        self._give_back(environment)
        environment.wait_until_ready()

    def close(self) -> None:
        """Kill all idle processes."""
        with self._lock:
            idle, self._idle = self._idle, []
        for environment in idle:
            environment.close()

    def _take(self) -> ExecutionEnvironment:
        with self._lock:
            while self._idle:
                environment = self._idle.pop()
                if environment.is_alive:
                    return environment
        return ExecutionEnvironment(self.spec, self._host, self._base_env, self._log)

    def _give_back(self, environment: ExecutionEnvironment) -> None:
        if environment.is_alive:
            with self._lock:
                self._idle.append(environment)


class FunctionNotDeployedError(Exception):
    """Raised when an event is meant for a function that the template does not have."""


class Functions(ABC):
    """All functions of the template, by name or ARN."""

    @abstractmethod
    def invoke(self, name_or_arn: str, payload: bytes) -> InvocationResult:
        """Run a function and wait for its answer.

        Raises:
            FunctionNotDeployedError: no function has this name or ARN.
        """

    @abstractmethod
    def warm(self) -> None:
        """Make every function ready for its first invocation."""

    def invoke_async(self, name_or_arn: str, payload: bytes) -> None:
        """Run a function in the background, as Lambda does for events: twice again when it fails."""
        threading.Thread(
            target=self._invoke_with_retries, args=(name_or_arn, payload), name=f"event-{name_or_arn}", daemon=True
        ).start()

    def _invoke_with_retries(self, name_or_arn: str, payload: bytes) -> None:
        for delay_seconds in (1.0, 2.0, None):
            if self.invoke(name_or_arn, payload).function_error is None or delay_seconds is None:
                return
            time.sleep(delay_seconds)


def name_in(name_or_arn: str) -> str:
    """Return a function's name, without the version or alias that an ARN may end with."""
    return name_or_arn.rsplit(":function:", maxsplit=1)[-1].split(":", maxsplit=1)[0]


class LambdaFunctions(Functions):
    """The functions as processes."""

    def __init__(
        self, specs: tuple[FunctionSpec, ...], host: ProcessHost, base_env: Mapping[str, str], log_folder: Path
    ) -> None:
        self._functions = {spec.name: LambdaFunction(spec, host, base_env, log_folder) for spec in specs}

    def invoke(self, name_or_arn: str, payload: bytes) -> InvocationResult:
        """Run a function in one of its processes."""
        name = name_in(name_or_arn)
        if name not in self._functions:
            raise FunctionNotDeployedError(f"function not found: {name_or_arn}")
        result = self._functions[name].invoke(payload)
        if result.function_error:
            logger.warning("function %s failed: %s", name, result.payload[:2000].decode(errors="replace"))
        return result

    def warm(self) -> None:
        """Start one process of every function, one after the other: loading is what keeps a core busy."""
        for function in self._functions.values():
            function.warm()

    def close(self) -> None:
        """Kill all idle processes; the process host ends the busy ones."""
        for function in self._functions.values():
            function.close()
