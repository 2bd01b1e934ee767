"""/v1/models and /v1/estimates: what there is to ask for, and what it would take."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body

from adapters.http_api import http_handler, new_router, problems
from adapters.service import current_service
from domain.catalogue import Catalogue, catalogue
from domain.estimate import Estimate, EstimateRequest, estimate

router = new_router()


@router.get(
    "/v1/models",
    summary="List the models",
    operation_id="listModels",
    responses={200: {"description": "All of them"}, **problems()},
)
def list_models() -> Catalogue:
    """With the containers and sizes that each takes; those that the service's operator has registered come last."""
    return catalogue(current_service().models.names())


@router.post(
    "/v1/estimates",
    summary="Estimate a job before it is submitted",
    operation_id="createEstimate",
    responses={
        200: {"description": "Seconds of work and their price"},
        **problems(HTTPStatus.BAD_REQUEST, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.UNPROCESSABLE_ENTITY),
    },
)
def create_estimate(request: Annotated[EstimateRequest, Body()]) -> Estimate:
    """From the rates that the stack's operator has set; what would be refused for its size is refused here."""
    return estimate(request, current_service().estimate_rates)


handler = http_handler(router)
