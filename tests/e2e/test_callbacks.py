"""A receiver on loopback is told of a job's end by the running service, signed as Standard Webhooks has it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from tests.e2e.conftest import REPOSITORY, RunningService, wait_until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver(ThreadingHTTPServer):
    """Refuses the first message that it is sent, and takes those after it."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.refuses_all = False
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
        is_refused = self.server.refuses_all or len(self.server.seen) == 1
        self.send_response(503 if is_refused else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_end_of_a_job_is_told_again_until_it_is_taken(
    service: RunningService, receiver: Receiver, tmp_path: Path
) -> None:
    source = tmp_path / "text.mp4"
    source.write_text("This is not a video.")
    callback = {"url": receiver.url, "secret": SECRET}

    job = service.process(source, erase={"captions": {}}, callback=callback, user_data="order 中 7")

    assert job["request"]["callback"] == {"url": receiver.url}
    # Ten seconds lie between the first attempt and the second.
    assert wait_until(lambda: len(receiver.seen) == 2)
    for headers, body in receiver.seen:
        event = Webhook(SECRET).verify(body, headers)
        assert (event["type"], event["data"]["job_id"]) == ("job.failed", job["job_id"])
        assert event["data"]["request"]["user_data"] == "order 中 7"
    assert receiver.seen[0][0]["webhook-id"] == receiver.seen[1][0]["webhook-id"]
    told = service.wait_for(job["job_id"], lambda job: len(job["deliveries"]) == 2)
    assert [delivery["status"] for delivery in told["deliveries"]] == [503, 204]
    log = (service.data / "logs" / "smart-erase-DeliverCallbackFunction.log").read_text()
    assert job["job_id"] in log
    assert SECRET.removeprefix("whsec_") not in log


def test_what_nobody_took_is_told_when_it_is_handed_back(
    service: RunningService, receiver: Receiver, tmp_path: Path
) -> None:
    source = tmp_path / "text.mp4"
    source.write_text("This is not a video.")
    receiver.refuses_all = True
    job = service.process(source, erase={"captions": {}}, callback={"url": receiver.url, "secret": SECRET})
    assert wait_until(lambda: receiver.seen)
    sqs = service.aws("sqs")
    waiting, dead = (
        sqs.get_queue_url(QueueName=service.facts["outputs"][name])["QueueUrl"]
        for name in ("CallbackQueueName", "UndeliveredCallbacksQueueName")
    )
    # The day in which it is tried passes, and SQS moves the event to the other queue.
    sqs.purge_queue(QueueUrl=waiting)
    sqs.send_message(QueueUrl=dead, MessageBody=json.dumps({"detail": {"job_id": job["job_id"]}}))
    receiver.refuses_all = False
    told = len(receiver.seen)

    done = subprocess.run(
        [sys.executable, "-m", "local", "callbacks", "redrive", "--data", str(service.data)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "1 callbacks are told again\n"
    assert wait_until(lambda: len(receiver.seen) > told)
    ended = service.wait_for(job["job_id"], lambda job: job["deliveries"][-1]["status"] == 204)
    assert [delivery["status"] for delivery in ended["deliveries"]] == [503] * told + [204]
    assert "Messages" not in sqs.receive_message(QueueUrl=dead)
