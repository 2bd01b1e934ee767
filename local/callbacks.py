"""``callbacks redrive``: hands the callbacks that nobody took back to the queue that they are told from."""

from __future__ import annotations

from local.installation import Installation

_BATCH = 10  # what one request to SQS takes
#: How long a message is hidden while it is handed over; should that fail between the two steps, it shows again.
_HIDDEN_SECONDS = 60


def redrive(service: Installation) -> int:
    """Send every message of the queue of undelivered callbacks to the queue of callbacks; return how many there were.

    A message is deleted once it was sent, so that none is lost: at worst one is told twice, with the same webhook ID.

    Raises:
        NoServiceError: the stack does not tell of these queues.
    """
    sqs = service.new_client("sqs")
    undelivered, callbacks = (
        sqs.get_queue_url(QueueName=service.output(name))["QueueUrl"]
        for name in ("UndeliveredCallbacksQueueName", "CallbackQueueName")
    )
    count = 0
    while messages := sqs.receive_message(
        QueueUrl=undelivered, MaxNumberOfMessages=_BATCH, VisibilityTimeout=_HIDDEN_SECONDS, WaitTimeSeconds=1
    ).get("Messages"):
        for message in messages:
            sqs.send_message(QueueUrl=callbacks, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=undelivered, ReceiptHandle=message["ReceiptHandle"])
            count += 1
    return count
