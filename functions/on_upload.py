"""An object has landed under inbox/: starts its job, once per version of the object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.data_classes import S3EventBridgeNotificationEvent

from adapters.observed import logger, observed
from adapters.service import current_service
from domain.errors import InvalidRequestError
from domain.job import ObjectRef

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def on_upload(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Start the job of the object that an EventBridge event of S3 tells of."""
    detail = S3EventBridgeNotificationEvent(event).detail
    found = detail.object
    # Without versioning there is no version in the event, and Powertools would fail on its name.
    ref = ObjectRef(bucket=detail.bucket.name, key=found.key, version_id=found.get("version-id"))
    try:
        job = current_service().submission.submit_from_inbox(ref)
    except InvalidRequestError as error:
        # Nobody's object, or a folder's marker: another attempt would find the same.
        logger.warning("ignored", key=ref.key, reason=error.message)
        return {"ignored": ref.key}
    logger.info("inbox", job_id=job.job_id, status=job.status)
    return {"job_id": job.job_id, "status": job.status}


handler = observed(on_upload)
