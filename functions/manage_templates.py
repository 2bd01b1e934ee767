"""/v1/templates: settings under a name, which jobs refer to."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from adapters.http_api import IdempotencyKeyHeader, http_handler, new_router, owner_of, problems
from adapters.once_per_key import IdempotencyKey
from adapters.service import current_service
from domain.job import MAX_NAME_LENGTH
from domain.template import TemplateDraft, TemplateFilter, TemplateKind, TemplateOrder, TemplatePage, TemplateView

router = new_router()


@router.post(
    "/v1/templates",
    summary="Keep settings under a name",
    operation_id="createTemplate",
    status_code=HTTPStatus.CREATED,
    responses={
        201: {"description": "The template"},
        # The same key again, when what it made was deleted meanwhile.
        **problems(
            HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        ),
    },
)
def create_template(
    draft: Annotated[TemplateDraft, Body()], idempotency_key: IdempotencyKeyHeader = None
) -> Response[TemplateView]:
    """A job names the template's ID; what the job says itself wins over the template."""
    service, owner = current_service(), owner_of(router)
    template_id = service.once_per_key.run(
        lambda: service.templates.create(draft, owner).template_id,
        IdempotencyKey(owner, "createTemplate", idempotency_key),
        draft.model_dump(mode="json"),
        router.lambda_context,
    )
    headers = {"Location": f"/v1/templates/{template_id}"}
    return Response(HTTPStatus.CREATED, "application/json", service.templates.get(template_id, owner), headers)


@router.get(
    "/v1/templates",
    summary="List templates",
    operation_id="listTemplates",
    responses={200: {"description": "Some templates, and a cursor if more follow"}, **problems(HTTPStatus.BAD_REQUEST)},
)
def list_templates(  # noqa: PLR0917 - the parameters of the query
    kind: Annotated[TemplateKind | None, Query()] = None,
    name: Annotated[str | None, Query(max_length=MAX_NAME_LENGTH)] = None,
    is_default: Annotated[bool | None, Query()] = None,
    order: Annotated[TemplateOrder, Query()] = TemplateOrder.NEWEST_FIRST,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=1024)] = None,
) -> TemplatePage:
    """``name`` finds a part of a name, in any case; the ``next_cursor`` of one page as ``cursor`` gets the next."""
    wanted = TemplateFilter(kind=kind, name=name, is_default=is_default)
    return current_service().templates.page(owner_of(router), wanted, order, limit, cursor)


@router.get(
    "/v1/templates/<template_id>",
    summary="Read a template",
    operation_id="getTemplate",
    responses={200: {"description": "The template"}, **problems(HTTPStatus.NOT_FOUND)},
)
def get_template(template_id: str) -> TemplateView:
    """One template by its ID."""
    return current_service().templates.get(template_id, owner_of(router))


@router.put(
    "/v1/templates/<template_id>",
    summary="Change a template's name and settings",
    operation_id="updateTemplate",
    responses={
        200: {"description": "The template as it is now"},
        **problems(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    },
)
def update_template(template_id: str, draft: Annotated[TemplateDraft, Body()]) -> TemplateView:
    """Its kind stays. Jobs that were made with it keep the settings that it had."""
    owner = owner_of(router)
    return current_service().templates.update(template_id, owner, name=draft.name, settings=draft.settings)


@router.delete(
    "/v1/templates/<template_id>",
    summary="Delete a template",
    operation_id="deleteTemplate",
    status_code=HTTPStatus.NO_CONTENT,
    responses={204: {"description": "It is gone"}, **problems(HTTPStatus.NOT_FOUND)},
)
def delete_template(template_id: str) -> Response[None]:
    """Jobs that were made with it keep its settings."""
    current_service().templates.delete(template_id, owner_of(router))
    return Response(HTTPStatus.NO_CONTENT)


@router.put(
    "/v1/templates/<template_id>/default",
    summary="Make a template the default of its kind",
    operation_id="setDefaultTemplate",
    responses={200: {"description": "The template"}, **problems(HTTPStatus.NOT_FOUND)},
)
def set_default_template(template_id: str) -> TemplateView:
    """It takes the place of the default before it."""
    return current_service().templates.set_default(template_id, owner_of(router))


handler = http_handler(router)
