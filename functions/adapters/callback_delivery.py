"""Tells receivers of jobs' ends: one attempt at a time; the queue keeps what has to be tried again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from adapters.webhook_sender import UndeliveredError
from domain import callback as rules
from domain.callback import CallbackStyle
from domain.job import Delivery, Job

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

    from adapters.callbacks import Callbacks, Receiver
    from adapters.job_reader import JobReader
    from adapters.jobs_table import JobsTable
    from adapters.webhook_sender import WebhookSender


@dataclass(frozen=True, slots=True)
class CallbackDelivery:
    """Delivers callbacks. ``clock`` tells the present time in UTC."""

    jobs: JobsTable
    reader: JobReader
    callbacks: Callbacks
    sender: WebhookSender
    clock: Callable[[], datetime]

    def attempt(self, job_id: str) -> bool:
        """Tell a job's receiver of its end, note on the job what came of it; return whether it has to be tried again.

        Raises:
            JobNotFoundError: there is no such job.
        """
        job = self.jobs.get(job_id)
        receiver = self.callbacks.receiver(job)
        if receiver is None:
            # The settings were deleted since.
            return False
        delivery = self._post(job, receiver)
        self.jobs.note_delivery(job_id, delivery)
        return not delivery.is_delivered

    def _post(self, job: Job, receiver: Receiver) -> Delivery:
        now, shown = self.clock(), self.reader.show(job)
        if receiver.style is CallbackStyle.ICE:
            body = rules.ice_body(shown, job, self.reader.media.uri)
            headers = {} if receiver.secret is None else rules.ice_headers(receiver.url, receiver.secret, now)
        else:
            assert receiver.secret is not None  # the standard form is always signed
            body = rules.standard_body(shown, job)
            headers = rules.standard_headers(job.job_id, body, receiver.secret, now)
        try:
            return Delivery(at=now, status=self.sender.post(receiver.url, body, headers))
        except UndeliveredError as error:
            return Delivery(at=now, error=str(error))


@dataclass(frozen=True, slots=True)
class CallbackQueue:
    """The queue whose messages are callbacks to be delivered."""

    client: SQSClient
    url: str

    def postpone(self, receipt_handle: str, seconds: int) -> None:
        """Hide a message that was received until it is to be tried again."""
        self.client.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
        )
