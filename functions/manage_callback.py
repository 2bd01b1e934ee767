"""/v1/callback: where the ends of one's jobs are told."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from adapters.http_api import http_handler, new_router, owner_of, problems
from adapters.service import current_service
from domain.callback import CallbackDraft, CallbackView

router = new_router()


@router.get(
    "/v1/callback",
    summary="Read the callback settings",
    operation_id="getCallback",
    responses={200: {"description": "The settings, without the secret"}, **problems(HTTPStatus.NOT_FOUND)},
)
def get_callback() -> CallbackView:
    """They count for every job that brings no callback of its own."""
    return current_service().callbacks.get(owner_of(router))


@router.put(
    "/v1/callback",
    summary="Set where the ends of jobs are told",
    operation_id="putCallback",
    responses={
        200: {"description": "The settings; with a secret that was made just now, shown this once"},
        **problems(HTTPStatus.BAD_REQUEST, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    },
)
def put_callback(draft: Annotated[CallbackDraft, Body()]) -> CallbackView:
    """Signed as Standard Webhooks has it. Without a secret the old one stays; if there is none, one is made."""
    return current_service().callbacks.put(draft, owner_of(router))


@router.delete(
    "/v1/callback",
    summary="Delete the callback settings",
    operation_id="deleteCallback",
    status_code=HTTPStatus.NO_CONTENT,
    responses={204: {"description": "They are gone"}, **problems(HTTPStatus.NOT_FOUND)},
)
def delete_callback() -> Response[None]:
    """Jobs with a callback of their own still tell of their end."""
    current_service().callbacks.delete(owner_of(router))
    return Response(HTTPStatus.NO_CONTENT)


handler = http_handler(router)
