"""GET and POST /: Action RPC, for the official SDKs of the services that this one stands in for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.authentication import rate_headers
from adapters.observed import observed_request
from rpc.door import answer

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def call_action(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one call (see ``rpc.door``)."""
    answered = answer(event, context)
    answered["headers"] |= rate_headers(event)
    return answered


handler = observed_request(call_action)
