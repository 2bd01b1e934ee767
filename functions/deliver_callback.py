"""A job has ended: tells its owner's receiver; SQS brings the event again, later and later, until it is taken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from adapters.observed import logger, observed
from adapters.service import current_service
from domain.callback import delay_before

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def deliver_callback(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Try each message once; answer which of them stay in the queue."""
    service, failures = current_service(), []
    for record in event["Records"]:
        job_id = str(json.loads(record["body"])["detail"]["job_id"])
        attempt = int(record["attributes"]["ApproximateReceiveCount"])
        logger.append_keys(job_id=job_id, attempt=attempt)
        is_due_again = service.callback_delivery.attempt(job_id)
        logger.info("callback", again=is_due_again)
        if is_due_again:
            service.callback_queue.postpone(record["receiptHandle"], delay_before(attempt + 1))
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


handler = observed(deliver_callback)
