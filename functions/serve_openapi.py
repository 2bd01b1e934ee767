"""GET /v1/openapi.json: the description of this API, made from the handlers themselves."""

from __future__ import annotations

import json
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

import cancel_job
import create_job
import create_upload
import describe_work
import get_job
import list_jobs
import manage_callback
import manage_icons
import manage_templates
import report_usage
from adapters.http_api import http_handler, new_api, new_router

router = new_router()

_SCHEME = "accessKey"
_TITLE = "Smart Erase"
_VERSION = "1"
_DESCRIPTION = "Removes burnt-in captions from video and doubles its resolution. Errors are application/problem+json."


#: In the order of the document.
_MODULES = (
    create_upload,
    create_job,
    list_jobs,
    get_job,
    cancel_job,
    manage_templates,
    manage_icons,
    manage_callback,
    report_usage,
    describe_work,
)


@lru_cache(maxsize=1)
def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document of all routes."""
    api = new_api(*(module.router for module in _MODULES))
    text = api.get_openapi_json_schema(
        title=_TITLE,
        version=_VERSION,
        description=_DESCRIPTION,
        security_schemes={_SCHEME: HTTPBearer(description="An access key, written as KEY_ID.SECRET")},
        security=[{_SCHEME: []}],
    )
    document: dict[str, Any] = json.loads(text)
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        # Powertools describes its own answer to a bad request; ours is a problem with status 400.
        if "application/json" in operation["responses"]["422"]["content"]:
            del operation["responses"]["422"]
        # An empty answer, which Powertools describes as the JSON value null.
        operation["responses"].get("204", {}).pop("content", None)
    for unused in ("HTTPValidationError", "ResponseValidationError", "ValidationError"):
        del document["components"]["schemas"][unused]
    return document


@router.get("/v1/openapi.json", include_in_schema=False)
def serve_openapi() -> Response[dict[str, Any]]:
    """Answer with the OpenAPI document."""
    return Response(HTTPStatus.OK, "application/json", openapi_document())


handler = http_handler(router, public=True)
