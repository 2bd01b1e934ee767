"""The service as one object: local AWS, functions, Batch jobs and the HTTP API, started and ended together."""

from __future__ import annotations

import gc
import json
import logging
import os
import secrets
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any, Self

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from domain.access import Scope
from local import event_bus, keys, moto_mends, stack
from local.batch_jobs import BatchJobs, ProcessWorker, Worker
from local.functions import Functions, LambdaFunctions
from local.gateway import Gateway
from local.keys import KeyStore
from local.lambda_api import LambdaApi
from local.ports import listen_on
from local.processes import REPOSITORY, ProcessHost
from local.queue_reading import QueueReading
from local.s3_edge import S3Edge
from local.template import REGION, Template

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

#: Objects above this size lie in files: a video must not fill the memory.
_OBJECT_BYTES_IN_MEMORY = 1 << 20
#: Whose key the service makes at its start, and what it allows: as much as a key may.
_OWNER = "default"
_QUOTA = {"jobs_in_flight": 1000, "minutes_per_month": 10_000_000, "requests_per_second": 1000}


@dataclass(frozen=True)
class ServiceOptions:
    """What a service is made of. A port of 0 takes a free one; ``data_folder`` gets logs and objects.

    ``functions_folder`` stands in for the template's CodeUri, and ``worker_entry_point`` for the image's entry point.
    """

    data_folder: Path
    api_port: int = 0
    template: Path = REPOSITORY / "template.yaml"
    stack_name: str = "smart-erase"
    functions_folder: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    worker_entry_point: tuple[str, ...] = (sys.executable, "-m", "gpu_worker")
    batch_slots: int = max(1, (os.cpu_count() or 1) // 2)


class Service:
    """The running service; a context manager that leaves no process behind.

    Raises:
        PortTakenError: another process holds the wanted port.
        TemplateError: the template cannot be resolved.
        MotoVersionError: another moto is installed than the one that the service was made for.
    """

    def __init__(self, options: ServiceOptions) -> None:
        self._options = options
        self._servers: list[BaseWSGIServer] = []
        self._queues: QueueReading | None = None
        self.data_folder = options.data_folder.resolve()
        self.log_folder = self.data_folder / "logs"
        # Before anything else starts: a port that is taken ends the start.
        self._api_socket = listen_on(options.api_port)
        self._aws_socket = listen_on(0)
        self.api_url = _url_of(self._api_socket)
        self.aws = stack.LocalAws(
            _url_of(self._aws_socket), f"LOCAL{secrets.token_hex(8).upper()}", secrets.token_hex(20)
        )

    def __enter__(self) -> Self:
        self._prepare_folders()
        self._host = ProcessHost(self.log_folder)
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes and close the ports."""
        if self._queues is not None:
            self._queues.close()
        self._host.close()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for listener in (self._api_socket, self._aws_socket):
            listener.close()
        shutil.rmtree(self.data_folder / "objects", ignore_errors=True)
        (self.data_folder / "service.json").unlink(missing_ok=True)

    def _start(self) -> None:
        template = Template(
            self._options.template, self._options.stack_name, {**self._own_parameters(), **self._options.parameters}
        )
        functions = self._functions(template)
        jobs = BatchJobs(self._worker(), self._host, self.log_folder, self._options.batch_slots)
        moto_mends.apply(moto_mends.Collaborators(self.aws, jobs.run, functions.invoke_async))
        moto = DomainDispatcherApplication(create_backend_app)
        edge = LambdaApi(S3Edge(moto, self.aws.access_key, self.aws.secret_key), functions)
        for listener in self._aws_sockets():
            self._serve(listener, _tidy(edge), _QuietMotoHandler)
        stack.create(template, self.aws)
        (alias,) = template.resources("AWS::KMS::Alias")
        store = KeyStore(template.resource("AccessKeysTable").name, alias.name)
        self.access_key = keys.create(store.open(self.aws.client), _OWNER, list(Scope), _QUOTA, None)
        self._open_door(template, functions)
        self._queues = QueueReading(stack.queue_readers_of(template), self.aws, functions)
        self._queues.start()
        threading.Thread(target=functions.warm, name="warm-functions", daemon=True).start()
        facts = self.data_folder / "service.json"
        # It holds a key: for its owner's eyes only.
        facts.touch(0o600)
        facts.write_text(
            json.dumps(
                {
                    "pid": os.getpid(),
                    "api_url": self.api_url,
                    "aws_endpoint_url": self.aws.endpoint_url,
                    "aws_access_key_id": self.aws.access_key,
                    "aws_secret_access_key": self.aws.secret_key,
                    "access_key": self.access_key,
                    # As a stack on AWS tells of them.
                    "outputs": {
                        "AccessKeysTableName": store.table,
                        "SecretsKeyAliasName": store.secrets_key,
                        "CallbackQueueName": template.resource("CallbackQueue").name,
                        "UndeliveredCallbacksQueueName": template.resource("UndeliveredCallbacksQueue").name,
                    },
                    "bucket": template.resources("AWS::S3::Bucket")[0].name,
                }
            ),
            encoding="utf-8",
        )
        # What is loaded stays: collecting looks only at what requests leave behind.
        gc.freeze()
        logger.info("ready: API %s, AWS %s", self.api_url, self.aws.endpoint_url)

    # --- what a service with containers does otherwise

    def _own_parameters(self) -> dict[str, str]:
        """Return what is otherwise than on AWS where the caller does not say."""
        # Whoever tries callbacks out has the receiver here.
        return {"AllowLoopbackCallbacks": "true"}

    def _aws_sockets(self) -> tuple[socket, ...]:
        """Return where the local AWS listens."""
        return (self._aws_socket,)

    def _functions(self, template: Template) -> Functions:
        base = {**self._environment(), "POWERTOOLS_TRACE_DISABLED": "true", "AWS_XRAY_SDK_ENABLED": "false"}
        specs = stack.functions_of(template)
        if self._options.functions_folder is not None:
            specs = tuple(replace(spec, folder=self._options.functions_folder) for spec in specs)
        return LambdaFunctions(specs, self._host, base, self.log_folder)

    def _worker(self) -> Worker:
        return ProcessWorker(
            self._options.worker_entry_point,
            REPOSITORY,
            {
                **self._environment(),
                "PYTHONPATH": str(REPOSITORY / "functions"),
                "TMPDIR": str(self.data_folder / "objects"),
            },
        )

    def _open_door(self, template: Template, functions: Functions) -> None:
        """Answer on the API's port."""
        self._serve(self._api_socket, Gateway(stack.routes_of(template), functions), _QuietHandler)

    # --- what both do

    def _prepare_folders(self) -> None:
        shutil.rmtree(self.log_folder, ignore_errors=True)
        shutil.rmtree(self.data_folder / "objects", ignore_errors=True)
        for folder in (self.log_folder, self.data_folder / "objects"):
            folder.mkdir(parents=True)
        os.environ["MOTO_S3_DEFAULT_KEY_BUFFER_SIZE"] = str(_OBJECT_BYTES_IN_MEMORY)
        # Where objects and uploads in progress lie, as files without a name: also a killed service leaves none.
        tempfile.tempdir = str(self.data_folder / "objects")
        _log_to(self.log_folder / "service.log")

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": os.environ.get("HOME", str(self.data_folder)),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.aws.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.aws.access_key,
            "AWS_SECRET_ACCESS_KEY": self.aws.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
            # The user's own AWS profiles must not reach into the local service.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def _serve(self, listener: socket, app: WSGIApplication, handler: type[WSGIRequestHandler]) -> None:
        host, port = listener.getsockname()
        server = make_server(host, port, app, threaded=True, request_handler=handler, fd=listener.fileno())
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, name=f"http-{port}", daemon=True).start()


class _QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Send what would go to the terminal to the service's log, and requests nowhere: the gateway logs its own."""
        if type != "info":
            logger.warning(message, *args)

    def log_request(self, *_: object, **__: object) -> None:
        return


class _QuietMotoHandler(_QuietHandler, MotoRequestHandler):
    """The same for moto, which reads some header names in its own way."""


def _tidy(app: WSGIApplication) -> WSGIApplication:
    """Deliver a request's events when it is carried out (:func:`local.event_bus.held_back`), and free its body.

    moto's requests are cycles that hold their body several times over; the collector counts objects, not bytes, and
    would let a gigabyte of them gather.
    """

    def tidied(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            with event_bus.held_back():
                return app(environ, start_response)
        finally:
            if int(environ.get("CONTENT_LENGTH") or 0) > _OBJECT_BYTES_IN_MEMORY:
                gc.collect()

    return tidied


def _url_of(listener: socket) -> str:
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


def _log_to(path: Path) -> None:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, logging.FileHandler)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("local").setLevel(logging.INFO)
