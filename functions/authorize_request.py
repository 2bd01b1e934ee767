"""The API's authorizer: says of every request who sent it, or why that is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.observed import observed_request
from adapters.service import current_service

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def authorize_request(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Let every request on, with its caller or its refusal as context (see ``adapters.authentication``)."""
    return {"isAuthorized": True, "context": current_service().authentication.context(event)}


handler = observed_request(authorize_request)
