"""Hands the messages of queues to functions, as Lambda does it: what a function takes is deleted, the rest stays."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

from local.functions import Functions
from local.stack import LocalAws, QueueReader
from local.template import REGION

logger = logging.getLogger(__name__)

# A callback may wait that long here; asking more often would cost an idle service its rest.
_IDLE_SECONDS = 1.0


class QueueReading:
    """One thread for each queue, from ``start`` to ``close``."""

    def __init__(self, readers: tuple[QueueReader, ...], aws: LocalAws, functions: Functions) -> None:
        self._readers = readers
        self._aws = aws
        self._functions = functions
        self._closed = threading.Event()

    def start(self) -> None:
        """Begin to read."""
        for reader in self._readers:
            threading.Thread(target=self._read, args=(reader,), name=f"read-{reader.queue_arn}", daemon=True).start()

    def close(self) -> None:
        """Read no more."""
        self._closed.set()

    def _read(self, reader: QueueReader) -> None:
        sqs = self._aws.client("sqs")
        url = sqs.get_queue_url(QueueName=reader.queue_arn.rsplit(":", 1)[-1])["QueueUrl"]
        while not self._closed.is_set():
            try:
                is_idle = not self._hand_over(sqs, url, reader)
            except Exception:
                if self._closed.is_set():
                    return
                logger.exception("reading %s", reader.queue_arn)
                is_idle = True
            if is_idle:
                self._closed.wait(_IDLE_SECONDS)

    def _hand_over(self, sqs: Any, url: str, reader: QueueReader) -> bool:
        """Give the waiting messages to the function; return whether there were any."""
        received = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=reader.batch_size, MessageSystemAttributeNames=["All"]
        )
        messages = received.get("Messages", [])
        if not messages:
            return False
        event = {"Records": [_record(message, reader) for message in messages]}
        result = self._functions.invoke(reader.function_name, json.dumps(event).encode())
        if result.function_error is None:
            left = {item["itemIdentifier"] for item in json.loads(result.payload)["batchItemFailures"]}
            for message in messages:
                if message["MessageId"] not in left:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return True


def _record(message: dict[str, Any], reader: QueueReader) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": reader.queue_arn,
        "awsRegion": REGION,
    }
