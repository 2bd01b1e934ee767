"""Templates in RPC version 2020-11-09: type 9 (AI erase) with the subtypes 1 (icons) and 2 (captions)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from domain.errors import InvalidRequestError, TemplateNotFoundError
from domain.job import IconKind, Quality
from domain.template import (
    CaptionSettings,
    CaptionTemplate,
    IconSettings,
    IconTemplate,
    TemplateFilter,
    TemplateKind,
    TemplateOrder,
    TemplateView,
)
from rpc.call import Call, json_of, validated
from rpc.job_params import icons_of, params_of, regions_of
from rpc.production import CAPTIONS, ICONS, PREMIUM_MODEL, quality_of, time_of

_TYPE = 9
_TYPE_NAME = "AIErase"
_KINDS = {1: TemplateKind.ICON, 2: TemplateKind.CAPTION}
_SUBTYPES = {kind: subtype for subtype, kind in _KINDS.items()}
_SUBTYPE_NAMES = {TemplateKind.ICON: ICONS, TemplateKind.CAPTION: CAPTIONS}
_FIELDS = {"name": "Name", "settings": "TemplateConfig"}
_CONFIG = {"": "TemplateConfig"}
_ORDERS = {
    "CreateTimeDesc": TemplateOrder.NEWEST_FIRST,
    "CreateTimeAsc": TemplateOrder.OLDEST_FIRST,
    "CreationTime:Desc": TemplateOrder.NEWEST_FIRST,
    "CreationTime:Asc": TemplateOrder.OLDEST_FIRST,
}
_MODEL_KEY = "ModelId"


def create(call: Call) -> dict[str, Any]:
    """CreateCustomTemplate: keep settings under a name."""
    _check_type(call.text("Type"))
    kind = _kind(call.text("Subtype"))
    document = {"kind": kind, "name": call.text("Name"), "settings": _settings(call.text("TemplateConfig"), kind)}
    draft: CaptionTemplate | IconTemplate
    if kind is TemplateKind.ICON:
        draft = validated(IconTemplate, document, _FIELDS)
    else:
        draft = validated(CaptionTemplate, document, _FIELDS)
    template_id = call.create_once(lambda: call.service.templates.create(draft, call.owner).template_id)
    template = call.service.templates.get(template_id, call.owner)
    # Here, and only here, the subtype is a name.
    return {"CustomTemplate": {**_shown(template), "Subtype": _SUBTYPE_NAMES[template.kind]}}


def update(call: Call) -> dict[str, Any]:
    """UpdateCustomTemplate: change a template's name, its settings, or both."""
    template_id = call.text("TemplateId")
    settings: CaptionSettings | IconSettings | None = None
    if config := call.parameters.get("TemplateConfig"):
        kind = call.service.templates.get(template_id, call.owner).kind
        document = _settings(config, kind)
        if kind is TemplateKind.ICON:
            settings = validated(IconSettings, document, _CONFIG)
        else:
            settings = validated(CaptionSettings, document, _CONFIG)
    name = call.parameters.get("Name") or None
    call.service.templates.update(template_id, call.owner, name=name, settings=settings)
    return {"Success": True}


def get(call: Call) -> dict[str, Any]:
    """GetCustomTemplate: one template by its ID, or the default of a type and subtype."""
    if template_id := call.parameters.get("TemplateId"):
        template = call.service.templates.get(template_id, call.owner)
    else:
        _check_type(call.text("Type"))
        kind = _kind(call.text("Subtype"))
        default = call.service.templates.default(kind, call.owner)
        if default is None:
            raise TemplateNotFoundError(f"there is no default template for {_SUBTYPE_NAMES[kind]}", field="Subtype")
        template = default
    return {"CustomTemplate": _shown(template)}


def list_all(call: Call) -> dict[str, Any]:
    """ListCustomTemplates: templates by page number."""
    number, size = call.whole("PageNumber", 1, 1, 10_000), call.whole("PageSize", 20, 1, 100)
    if given := call.parameters.get("Type"):
        _check_type(given)
    subtype = call.parameters.get("Subtype")
    wanted = validated(
        TemplateFilter,
        {"kind": _kind(subtype) if subtype else None, "name": call.parameters.get("Name") or None},
        {"name": "Name"},
    )
    order = call.parameters.get("OrderBy") or "CreateTimeDesc"
    if order not in _ORDERS:
        raise InvalidRequestError("OrderBy is not known", field="OrderBy", allowed=", ".join(_ORDERS))
    template_id = call.parameters.get("TemplateId")
    templates = [
        template
        for template in call.service.templates.list(call.owner, wanted, _ORDERS[order])
        if not template_id or template.template_id == template_id
    ]
    shown = [_shown(template) for template in templates[(number - 1) * size : number * size]]
    return {"Total": len(templates), "CustomTemplateList": shown}


def delete(call: Call) -> dict[str, Any]:
    """DeleteCustomTemplate."""
    call.service.templates.delete(call.text("TemplateId"), call.owner)
    return {"Success": True}


def set_default(call: Call) -> dict[str, Any]:
    """SetDefaultCustomTemplate: make a template the default of its subtype."""
    call.service.templates.set_default(call.text("TemplateId"), call.owner)
    return {"Success": True}


def _check_type(given: str) -> None:
    if given != str(_TYPE):
        raise InvalidRequestError(f"only templates of type {_TYPE} are kept", field="Type", allowed=str(_TYPE))


def _kind(given: str) -> TemplateKind:
    kind = next((kind for subtype, kind in _KINDS.items() if given in {str(subtype), _SUBTYPE_NAMES[kind]}), None)
    if kind is None:
        raise InvalidRequestError("Subtype is not known", field="Subtype", allowed="1 (VideoDelogo), 2 (VideoDetext)")
    return kind


def _settings(config: str, kind: TemplateKind) -> dict[str, Any]:
    params = json_of(config, "TemplateConfig")
    if not isinstance(params, dict):
        raise InvalidRequestError("TemplateConfig must be a JSON object", field="TemplateConfig")
    erase = {key: value for key, value in params.items() if key != _MODEL_KEY}
    settings: dict[str, Any] = {}
    if kind is TemplateKind.ICON:
        settings["icons"] = icons_of(erase)
    elif regions := regions_of(erase):
        settings["captions"] = {"regions": regions}
    return settings | quality_of(params.get(_MODEL_KEY))


def _config(template: TemplateView) -> Mapping[str, Any]:
    """Return a template's settings as TemplateConfig has them."""
    settings = template.settings
    config: dict[str, Any] = {}
    if isinstance(settings, IconSettings):
        config["LogoModel"] = ",".join(kind for kind in IconKind if kind in settings.icons.kinds)
        config |= params_of(settings.icons.regions)
    else:
        config |= params_of(settings.captions.regions)
    if settings.quality is Quality.PREMIUM:
        config |= {_MODEL_KEY: PREMIUM_MODEL}
    return config


def _shown(template: TemplateView) -> dict[str, Any]:
    return {
        "TemplateId": template.template_id,
        "TemplateName": template.name,
        "Type": _TYPE,
        "TypeName": _TYPE_NAME,
        "Subtype": _SUBTYPES[template.kind],
        "SubtypeName": _SUBTYPE_NAMES[template.kind],
        "Status": "Normal",
        "IsDefault": template.is_default,
        "TemplateConfig": json.dumps(_config(template)),
        "CreateTime": time_of(template.created_at),
        "ModifiedTime": time_of(template.modified_at),
    }
