"""/v1/icons: the marks that one wants found and removed."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from adapters.http_api import IdempotencyKeyHeader, http_handler, new_router, owner_of, problems
from adapters.once_per_key import IdempotencyKey
from adapters.service import current_service
from domain.icon import IconDraft, IconPage, IconView

router = new_router()


@router.post(
    "/v1/icons",
    summary="Add an icon to the library",
    operation_id="createIcon",
    status_code=HTTPStatus.CREATED,
    responses={
        201: {"description": "The icon"},
        **problems(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.CONFLICT,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        ),
    },
)
def create_icon(
    draft: Annotated[IconDraft, Body()], idempotency_key: IdempotencyKeyHeader = None
) -> Response[IconView]:
    """Its picture is an upload: a PNG with an alpha channel, 8 to 1024 pixels each way, up to 1 MB."""
    service, owner = current_service(), owner_of(router)
    icon_id = service.once_per_key.run(
        lambda: service.icons.create(draft, owner),
        IdempotencyKey(owner, "createIcon", idempotency_key),
        draft.model_dump(mode="json"),
        router.lambda_context,
    )
    headers = {"Location": f"/v1/icons/{icon_id}"}
    return Response(HTTPStatus.CREATED, "application/json", service.icons.get(icon_id, owner), headers)


@router.get(
    "/v1/icons",
    summary="List icons, newest first",
    operation_id="listIcons",
    responses={200: {"description": "Some icons, and a cursor if more follow"}, **problems(HTTPStatus.BAD_REQUEST)},
)
def list_icons(
    limit: Annotated[int, Query(ge=1, le=100)] = 20, cursor: Annotated[str | None, Query(max_length=1024)] = None
) -> IconPage:
    """Give the ``next_cursor`` of one page as ``cursor`` to get the next."""
    return current_service().icons.page(owner_of(router), limit, cursor)


@router.get(
    "/v1/icons/<icon_id>",
    summary="Read an icon",
    operation_id="getIcon",
    responses={200: {"description": "The icon, with a link made just now"}, **problems(HTTPStatus.NOT_FOUND)},
)
def get_icon(icon_id: str) -> IconView:
    """One icon by its ID."""
    return current_service().icons.get(icon_id, owner_of(router))


@router.delete(
    "/v1/icons/<icon_id>",
    summary="Delete an icon",
    operation_id="deleteIcon",
    status_code=HTTPStatus.NO_CONTENT,
    responses={204: {"description": "It is gone"}, **problems(HTTPStatus.NOT_FOUND)},
)
def delete_icon(icon_id: str) -> Response[None]:
    """With its picture."""
    current_service().icons.delete(icon_id, owner_of(router))
    return Response(HTTPStatus.NO_CONTENT)


handler = http_handler(router)
