"""Callbacks: settings, the event at a job's end, deliveries and their signatures, what is never called."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

import cancel_job
import create_job
import deliver_callback
import get_job
import manage_callback
import record_failure
import record_result
from adapters.public_network import PublicNetwork
from adapters.webhook_sender import UndeliveredError, WebhookSender
from domain.callback import MAX_ATTEMPTS, CallbackDraft, delay_before, ice_body
from domain.errors import CallbackNotFoundError, InvalidCallbackUrlError, InvalidRequestError
from domain.job import Job, JobCallback, JobError, JobRequest, ObjectRef, ResultFacts, SourceFacts
from domain.origin import Origin
from domain.storage_keys import JobKeys

JOB_ID = "7f3c2f0e-5b1d-4d0c-9a53-0d9a1c1e2f33"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FACTS = SourceFacts(
    size_bytes=5, container="mp4", video_codec="h264", pixel_format="yuv420p", width=640, height=360, duration_seconds=2
)
RESULT = ResultFacts(nothing_found=False, width=1280, height=720, duration_seconds=2.0, frame_count=50)


class Receiver(BaseHTTPRequestHandler):
    """Answers with the status that its path names; keeps what it was sent."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        if self.path == "/never":
            self.server.released.wait()
            return
        status = int(self.path.strip("/")) if self.path.strip("/").isdigit() else 200
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments):
        pass


class QuietServer(ThreadingHTTPServer):
    """A server whose clients may hang up without a traceback on the terminal."""

    def handle_error(self, *_arguments):
        pass


@pytest.fixture
def receiver():
    server = QuietServer(("127.0.0.1", 0), Receiver)
    server.seen = []
    server.released = threading.Event()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def service(deployment):
    return deployment.serve(allow_loopback_callbacks=True)


@pytest.fixture
def running(deployment):
    """Record a job that is at work."""

    def record(service, job_id=JOB_ID, owner="default", callback=None, **request):
        wanted = JobRequest.model_validate(
            {"source": {"url": "https://example.com/a.mp4"}, "erase": {}, "user_data": "order 中 7", **request}
        )
        ref = ObjectRef(bucket=deployment.bucket, key="inbox/default/a.mp4")
        job = Job(job_id=job_id, owner=owner, request=wanted, created_at=deployment.clock(), source_object=ref)
        if callback is not None:
            wanted = wanted.model_copy(update={"callback": callback})
            job = job.model_copy(update={"callback": service.callbacks.of_request(wanted, owner)})
        service.jobs.put_new(job)
        service.jobs.start(job_id, FACTS, deployment.clock())
        keys = JobKeys(job_id)
        files = {"video": keys.result("video.mp4"), "report": keys.result("report.json")}
        manifest = {"files": files, **RESULT.model_dump()}
        deployment.put_json(keys.result_manifest, manifest)

    return record


class Queue:
    """The queue of callbacks, and its reader."""

    def __init__(self, deployment, sqs):
        self.deployment, self.sqs, self.url = deployment, sqs, deployment.settings.callback_queue_url

    def hand_over(self):
        """Give the function what waits; return how many messages it was, and how many of them stay."""
        received = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        ).get("Messages", [])
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
            }
            for message in received
        ]
        answer = deliver_callback.handler({"Records": records}, self.deployment.context)
        left = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        for message in received:
            if message["MessageId"] not in left:
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return len(received), len(left)


@pytest.fixture
def queue(deployment):
    return Queue(deployment, boto3.client("sqs"))


def succeed(deployment, recorded):
    return record_result.handler(recorded("record_result"), deployment.context)


@dataclass
class Scene:
    """A service with a queue of callbacks and somebody who receives them."""

    deployment: Any
    service: Any
    running: Any
    recorded: Any
    receiver: Any
    queue: Queue


@pytest.fixture
def scene(deployment, service, running, recorded, receiver, queue):  # noqa: PLR0917
    return Scene(deployment, service, running, recorded, receiver, queue)


def setting(call, recorded, method, body=None):
    event = recorded("manage_callback")
    event["requestContext"]["http"]["method"] = method
    if body is None:
        del event["body"]
    return call(manage_callback, event, body)


def test_settings_are_made_read_changed_and_deleted(deployment, call, recorded):
    assert setting(call, recorded, "GET").body["code"] == "CallbackNotFound"
    first = setting(call, recorded, "PUT", {"url": "https://hooks.example.com/a"})
    assert (first.status, first.body["style"], first.body["is_signed"]) == (200, "standard", True)
    assert Webhook(first.body["new_secret"])  # a receiver takes it

    shown = setting(call, recorded, "GET").body
    assert (shown["url"], shown["new_secret"]) == ("https://hooks.example.com/a", None)
    again = setting(call, recorded, "PUT", {"url": "https://hooks.example.com/b"})
    assert (again.body["url"], again.body["new_secret"]) == ("https://hooks.example.com/b", None)

    assert setting(call, recorded, "DELETE").status == 204
    assert setting(call, recorded, "DELETE").status == 404
    with pytest.raises(CallbackNotFoundError):
        deployment.serve().callbacks.get("default")


def test_no_table_and_no_answer_holds_a_secret(deployment, call, recorded):
    shown = setting(call, recorded, "PUT", {"url": "https://hooks.example.com/a", "secret": SECRET})
    assert SECRET not in json.dumps(shown.body)
    deployment.put("uploads/default/0f8fad5b-d9cb-469f-a165-70867728950e/clip.mp4")
    callback = {"url": "https://a.example.com", "secret": SECRET}
    body = {**json.loads(recorded("create_job")["body"]), "callback": callback}
    job = call(create_job, recorded("create_job"), body)
    assert job.status == 202
    assert job.body["request"]["callback"] == {"url": "https://a.example.com"}
    dynamodb = boto3.client("dynamodb")
    for table in (deployment.settings.tenant_table, deployment.settings.jobs_table):
        assert SECRET.removeprefix("whsec_") not in json.dumps(dynamodb.scan(TableName=table)["Items"], default=str)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "http://hooks.example.com/a"}, "InvalidCallbackUrl"),
        ({"url": "https://user:word@hooks.example.com/a"}, "InvalidCallbackUrl"),
        ({"url": "https://hooks.example.com:22/a"}, "InvalidCallbackUrl"),
        ({"url": "ftp://hooks.example.com/a"}, "InvalidCallbackUrl"),
        ({"url": "https://例え.example.com/"}, "InvalidCallbackUrl"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "BlockedAddress"),
        ({"url": "https://10.0.0.1/"}, "BlockedAddress"),
        ({"url": "http://127.0.0.1:8000/"}, "InvalidCallbackUrl"),
        ({"url": "https://a.example.com/" + "x" * 2048}, "InvalidRequest"),
        ({"url": "https://a.example.com/", "secret": "short"}, "InvalidRequest"),
        ({"url": "https://a.example.com/", "secret": "whsec_not base64"}, "InvalidRequest"),
        ({}, "InvalidRequest"),
    ],
)
def test_settings_against_the_rules_are_refused(deployment, call, recorded, body, code):
    answer = setting(call, recorded, "PUT", body)
    assert (answer.status, answer.body["code"]) == (400, code)
    assert answer.body["field"] in {"url", "secret"}


def test_the_closed_service_s_settings_have_its_rules(deployment):
    callbacks = deployment.serve().callbacks
    assert callbacks.put_ice("https://a.example.com/", "Abcdef12", "default").is_signed
    assert not callbacks.put_ice("https://a.example.com/", None, "default").is_signed
    for key in ("abc1", "ABC1", "Abcdef", "Ab1" + "x" * 30, "Äbc1"):
        with pytest.raises(InvalidRequestError, match="AuthKey"):
            callbacks.put_ice("https://a.example.com/", key, "default")
    with pytest.raises(InvalidCallbackUrlError, match="256 bytes"):
        callbacks.put_ice("https://a.example.com/" + "x" * 256, None, "default")


def test_a_job_s_end_is_told_signed_and_once(scene, call):
    view = scene.service.callbacks.put(_draft(f"{scene.receiver.url}/hook"), "default")
    scene.running(scene.service)
    succeed(scene.deployment, scene.recorded)
    succeed(scene.deployment, scene.recorded)

    assert scene.queue.hand_over() == (1, 0)
    assert scene.queue.hand_over() == (0, 0)
    ((path, headers, body),) = scene.receiver.seen
    assert path == "/hook"
    event = Webhook(view.new_secret).verify(body, {name.lower(): value for name, value in headers.items()})
    assert event["type"] == "job.succeeded"
    assert event["data"]["job_id"] == JOB_ID
    assert event["data"]["request"]["user_data"] == "order 中 7"
    assert event["data"]["result"]["links"]["video"].startswith("https://")
    assert headers["webhook-id"] == f"job-ended-{JOB_ID}"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, {name.lower(): value for name, value in headers.items()})

    get = scene.recorded("get_job")
    deliveries = call(get_job, get).body["deliveries"]
    assert [(delivery["status"], delivery["error"]) for delivery in deliveries] == [(200, None)]


def _draft(url, secret=None):
    return CallbackDraft.model_validate({"url": url, "secret": secret})


def test_the_closed_service_s_event_has_its_own_form_and_signature(scene):
    url = f"{scene.receiver.url}/ice"
    scene.service.callbacks.put_ice(url, "Abcdef12", "default")
    scene.running(scene.service)
    succeed(scene.deployment, scene.recorded)

    assert scene.queue.hand_over() == (1, 0)
    ((_, headers, body),) = scene.receiver.seen
    timestamp = headers["X-ICE-TIMESTAMP"]
    assert headers["X-ICE-SIGNATURE"] == hashlib.md5(f"{url}|{timestamp}|Abcdef12".encode()).hexdigest()
    event = json.loads(body)
    assert (event["EventType"], event["UserId"]) == ("AIProduceComplete", "default")
    message = event["MessageBody"]
    assert (message["JobId"], message["FunctionName"], message["Status"]) == (JOB_ID, "VideoDetext", "Success")
    assert message["UserData"] == "order 中 7"
    assert message["OutputUrls"][0].startswith("https://")
    assert message["OutputFiles"] == [f"s3://{scene.deployment.bucket}/results/{JOB_ID}/video.mp4"]


def test_the_closed_service_s_event_names_the_function_that_was_asked_for(deployment):
    origins = [
        ({"FunctionName": "CaptionExtraction"}, "SubmitIProductionJob", "CaptionExtraction"),
        ({}, "EraseVideoSubtitles", "EraseVideoSubtitles"),
    ]
    request = JobRequest.model_validate({"source": {"url": "https://example.com/a.mp4"}, "upscale": {}})
    now = deployment.clock()
    for parameters, action, expected in origins:
        origin = Origin(action=action, parameters=parameters)
        job = Job(job_id="j", owner="a", request=request, created_at=now, finished_at=now, origin=origin)
        shown = deployment.serve().reader.show(job)
        assert json.loads(ice_body(shown, job, str))["MessageBody"]["FunctionName"] == expected


def test_without_a_key_the_closed_service_s_event_is_not_signed(scene):
    scene.service.callbacks.put_ice(f"{scene.receiver.url}/ice", None, "default")
    scene.running(scene.service)
    record_failure.handler(scene.recorded("record_failure"), scene.deployment.context)
    assert scene.queue.hand_over() == (1, 0)
    ((_, headers, body),) = scene.receiver.seen
    assert not [name for name in headers if name.upper().startswith("X-ICE")]
    message = json.loads(body)["MessageBody"]
    assert (message["Status"], message["Code"], message["OutputUrls"]) == ("Fail", "UnreadableVideo", [])


def test_a_failed_and_a_cancelled_job_are_told_of_too(scene, call):
    scene.service.callbacks.put(_draft(scene.receiver.url), "default")
    scene.running(scene.service)
    record_failure.handler(scene.recorded("record_failure"), scene.deployment.context)
    record_failure.handler(scene.recorded("record_failure_execution"), scene.deployment.context)
    other = "8f3c2f0e-5b1d-4d0c-9a53-0d9a1c1e2f33"
    scene.running(scene.service, job_id=other)
    event = scene.recorded("cancel_job")
    call(cancel_job, {**event, "rawPath": f"/v1/jobs/{other}", "pathParameters": {"job_id": other}})

    assert scene.queue.hand_over() == (2, 0)
    types = {json.loads(body)["data"]["job_id"]: json.loads(body)["type"] for _, _, body in scene.receiver.seen}
    assert types == {JOB_ID: "job.failed", other: "job.cancelled"}


def test_a_job_s_own_callback_takes_the_place_of_the_settings(scene):
    scene.service.callbacks.put(_draft(f"{scene.receiver.url}/settings"), "default")
    scene.running(
        scene.service, callback=JobCallback.model_validate({"url": f"{scene.receiver.url}/own", "secret": SECRET})
    )
    succeed(scene.deployment, scene.recorded)
    scene.queue.hand_over()
    ((path, headers, body),) = scene.receiver.seen
    assert path == "/own"
    assert Webhook(SECRET).verify(body, {name.lower(): value for name, value in headers.items()})


def test_a_job_s_own_callback_may_be_signed_with_the_secret_of_the_settings(service):
    request = JobRequest.model_validate(
        {"source": {"url": "https://example.com/a.mp4"}, "upscale": {}, "callback": {"url": "https://b.example.com"}}
    )
    with pytest.raises(InvalidRequestError, match="secret"):
        service.callbacks.of_request(request, "default")
    service.callbacks.put_ice("https://a.example.com", "Abcdef12", "default")
    with pytest.raises(InvalidRequestError, match="secret"):
        service.callbacks.of_request(request, "default")
    service.callbacks.put(_draft("https://a.example.com"), "default")
    assert service.callbacks.of_request(request, "default").url == "https://b.example.com"


def test_every_end_is_one_event_on_the_bus_with_a_callback_or_without(scene):
    sqs, events = scene.queue.sqs, boto3.client("events")
    url = sqs.create_queue(QueueName="ends")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="ends", EventPattern=json.dumps({"source": ["smart-erase"], "detail-type": ["Job Ended"]}))
    events.put_targets(Rule="ends", Targets=[{"Id": "ends", "Arn": arn}])
    scene.running(scene.service)
    for _ in range(2):
        succeed(scene.deployment, scene.recorded)

    (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(message["Body"])["detail"] == {
        "job_id": JOB_ID,
        "owner": "default",
        "status": "SUCCEEDED",
        "function": "erase",
        "error_code": None,
        "has_callback": False,
    }


def test_without_a_callback_nothing_goes_into_the_queue(scene):
    scene.running(scene.service)
    succeed(scene.deployment, scene.recorded)
    assert scene.queue.hand_over() == (0, 0)


def test_settings_that_were_deleted_meanwhile_end_the_delivery(scene):
    scene.service.callbacks.put(_draft(scene.receiver.url), "default")
    scene.running(scene.service)
    succeed(scene.deployment, scene.recorded)
    scene.service.callbacks.delete("default")
    assert scene.queue.hand_over() == (1, 0)
    assert scene.receiver.seen == []


@pytest.mark.parametrize("status", [302, 404, 410, 500])
def test_only_a_2xx_counts_and_no_redirect_is_followed(scene, status):
    scene.service.callbacks.put(_draft(f"{scene.receiver.url}/{status}"), "default")
    scene.running(scene.service)
    succeed(scene.deployment, scene.recorded)
    assert scene.queue.hand_over() == (1, 1)
    assert [path for path, _, _ in scene.receiver.seen] == [f"/{status}"]
    (delivery,) = scene.service.jobs.get(JOB_ID).deliveries
    assert delivery.status == status
    waiting = scene.queue.sqs.get_queue_attributes(QueueUrl=scene.queue.url, AttributeNames=["All"])["Attributes"]
    assert waiting["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_what_is_never_taken_becomes_a_dead_letter_and_can_be_sent_again(scene):
    scene.service.callbacks.put(_draft(f"{scene.receiver.url}/500"), "default")
    scene.running(scene.service)
    succeed(scene.deployment, scene.recorded)
    sqs = scene.queue.sqs
    for _ in range(MAX_ATTEMPTS):
        assert scene.queue.hand_over() == (1, 1)
        _become_visible(scene.deployment)
    assert scene.queue.hand_over() == (0, 0)
    assert len(scene.service.jobs.get(JOB_ID).deliveries) == MAX_ATTEMPTS == len(scene.receiver.seen)
    dead = sqs.get_queue_url(QueueName="smart-erase-UndeliveredCallbacksQueue")["QueueUrl"]
    counted = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
    assert counted["ApproximateNumberOfMessages"] == "1"
    policy = json.loads(
        sqs.get_queue_attributes(QueueUrl=scene.queue.url, AttributeNames=["RedrivePolicy"])["Attributes"][
            "RedrivePolicy"
        ]
    )
    assert int(policy["maxReceiveCount"]) == MAX_ATTEMPTS
    assert policy["deadLetterTargetArn"] == counted["QueueArn"]


def _become_visible(deployment):
    """Let the time pass until the hidden messages show again."""
    from moto.sqs.models import sqs_backends

    (backend,) = [region["us-east-1"] for region in sqs_backends.values() if "us-east-1" in region]
    for message in backend.queues["smart-erase-CallbackQueue"]._messages:
        message.visible_at = 0


def test_it_is_tried_for_a_day_with_growing_pauses():
    delays = [delay_before(attempt) for attempt in range(2, MAX_ATTEMPTS + 1)]
    assert delays == sorted(delays)
    assert delays[0] == 10
    assert 24 * 3600 <= sum(delays) <= 26 * 3600
    assert max(delays) <= 12 * 3600  # the longest that SQS hides a message


def test_a_lost_answer_of_the_event_bus_is_made_good(scene):
    """The usage record marks a job's end as told: without it, the next call tells."""
    scene.service.callbacks.put(_draft(scene.receiver.url), "default")
    scene.running(scene.service)
    events = scene.service._job_end.events

    class OutOfOrder:
        def put_events(self, **_arguments):
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}

    object.__setattr__(scene.service._job_end, "events", OutOfOrder())
    with pytest.raises(Exception, match="InternalFailure"):
        succeed(scene.deployment, scene.recorded)
    object.__setattr__(scene.service._job_end, "events", events)
    failure = {**scene.recorded("record_failure"), "failure": {"Error": "EventNotTakenError", "Cause": ""}}
    assert record_failure.handler(failure, scene.deployment.context)["Error"] == "InvalidTransition"

    assert scene.queue.hand_over() == (1, 0)
    assert json.loads(scene.receiver.seen[0][2])["type"] == "job.succeeded"


def sender_to(addresses, connect=None, **options):
    def refuse(*_arguments):
        raise AssertionError("nothing may be connected to")

    network = PublicNetwork(lambda _host, _port: addresses, connect or refuse, ssl.create_default_context())
    return WebhookSender(network, allow_loopback=False, **options)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"])
def test_a_name_that_leads_into_a_private_network_is_not_called(address):
    sender = sender_to(["93.184.216.34", address])
    with pytest.raises(UndeliveredError, match="not public"):
        sender.post("https://hooks.example.com/", b"{}", {})


def test_loopback_is_called_only_where_that_is_allowed(receiver):
    with pytest.raises(UndeliveredError):
        sender_to(["127.0.0.1"]).post(f"{receiver.url}/200", b"{}", {})
    assert receiver.seen == []
    allowed = WebhookSender(sender_to([]).network, allow_loopback=True)
    assert allowed.post(f"{receiver.url}/204", b"{}", {}) == 204
    with pytest.raises(UndeliveredError, match="https"):
        allowed.post("http://10.0.0.1/", b"{}", {})


def test_a_receiver_that_does_not_answer_is_given_up_in_time(receiver):
    sender = WebhookSender(sender_to([]).network, allow_loopback=True, timeout_seconds=0.3)
    # The answer never comes: that this returns at all is what is tested.
    with pytest.raises(UndeliveredError):
        sender.post(f"{receiver.url}/never", b"{}", {})


def test_a_receiver_that_answers_byte_by_byte_is_given_up_in_time():
    server = socket.create_server(("127.0.0.1", 0))
    hung_up = []

    def drip():
        with server.accept()[0] as connection:
            connection.recv(65536)
            try:
                for byte in b"HTTP/1.1 200 OK\r\n" + b"x" * 1200:
                    connection.send(bytes([byte]))
                    time.sleep(0.1)
            except OSError:
                hung_up.append(True)

    thread = threading.Thread(target=drip)
    thread.start()
    sender = WebhookSender(sender_to([]).network, allow_loopback=True, timeout_seconds=0.5)
    with pytest.raises(UndeliveredError):
        sender.post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {})
    thread.join()
    server.close()
    # Not because there was nothing more to come.
    assert hung_up


def test_a_receiver_that_nobody_serves_is_noted_in_plain_words(scene):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    scene.service.callbacks.put(_draft(url), "default")
    scene.running(scene.service)
    scene.service.jobs.fail(JOB_ID, JobError(code="X", message="x"), scene.deployment.clock())
    scene.service._job_end.settle(scene.service.jobs.get(JOB_ID))
    assert scene.queue.hand_over() == (1, 1)
    (delivery,) = scene.service.jobs.get(JOB_ID).deliveries
    assert (delivery.status, delivery.error) == (None, "the receiver cannot be reached, or hung up")
