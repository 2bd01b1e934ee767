"""A job from an object's metadata: how on_upload reads what to do with a file that lands under ``inbox/``.

The keys, as S3 holds them (``aws s3 cp clip.mp4 s3://BUCKET/inbox/OWNER/ --metadata erase=captions,upscale=2``):

========================  ==============================================================================
``erase``                 ``captions``, ``icons``, or ``captions,icons``
``quality``               of the erase: ``normal`` (default) or ``premium``
``region``                ``x,y,width,height`` as fractions 0-1; two of them are parted by ``;``
``band``                  ``bottom`` (default) or ``anywhere``: where captions are looked for without a region
``keep``                  what is never touched, written as ``region`` is
``everything``            ``true``: all of each region goes, without looking for captions
``icon-kinds``            ``tv``, ``internet``, or ``tv,internet`` (default)
``icon-region``           where icons are looked for, written as ``region`` is; without, anywhere
``icon-keep``             where icons stay, written as ``region`` is
``icon-everything``       ``true``: all of each icon region goes, without looking for icons
``upscale``               ``2``
``upscale-quality``       ``auto`` (default), ``fast``, ``normal`` or ``premium``
``upscale-model``         name of a network that the operator has registered, in the quality's place
``bitrate-mbps``          1-100, default 10
``template``              ID of a template for the erase
``priority``              1-10, default 6; smaller is sooner
``name``, ``user-data``   as in ``POST /v1/jobs``
========================  ==============================================================================

An object that asks for nothing gets its owner's default template for captions, or that for icons. Other keys are left
alone: copy tools add their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from domain.errors import InvalidRequestError
from domain.job import JobRequest

_OF_CAPTIONS = ("region", "band", "keep", "everything")
_OF_ICONS = ("icon-kinds", "icon-region", "icon-keep", "icon-everything")
_OF_UPSCALE = ("upscale-quality", "upscale-model", "bitrate-mbps")
#: Every key that is read.
METADATA_KEYS = (
    *("erase", "quality", *_OF_CAPTIONS, *_OF_ICONS),
    *("upscale", *_OF_UPSCALE),
    *("template", "priority", "name", "user-data"),
)


def request_from_metadata(s3_uri: str, metadata: Mapping[str, str], default_template: str | None) -> JobRequest:
    """Read the request for the object at ``s3_uri`` from its user metadata.

    ``default_template`` is the ID of the owner's default template, for an object that asks for nothing.

    Raises:
        InvalidRequestError: nothing is asked for and there is no default, a value breaks a rule, or a setting belongs
            to a function that was not asked for.
    """
    given = {key.lower(): value.strip() for key, value in metadata.items() if key.lower() in METADATA_KEYS}
    erased = given.get("erase", "").split(",")
    for is_asked_for, function, settings in (
        ("erase" in given, "erase", ("quality",)),
        ("captions" in erased, "erase=captions", _OF_CAPTIONS),
        ("icons" in erased, "erase=icons", _OF_ICONS),
        ("upscale" in given, "upscale", _OF_UPSCALE),
    ):
        for setting in settings:
            if setting in given and not is_asked_for:
                raise InvalidRequestError(f"metadata {setting} has a meaning only with {function}", field=setting)
    template = given.get("template")
    if not given.keys() & {"erase", "upscale", "template"}:
        template = default_template
        if template is None:
            raise InvalidRequestError(
                "the object's metadata ask for nothing, and no template is a default;"
                " give erase=captions, erase=icons, upscale=2, or template=ID",
                field="erase",
            )
    document: dict[str, Any] = {
        "source": {"s3_uri": s3_uri},
        "template_id": template,
        "erase": _erase(given),
        "upscale": _upscale(given),
        **({"priority": _number(given["priority"], "priority")} if "priority" in given else {}),
        "name": given.get("name"),
        "user_data": given.get("user-data"),
    }
    try:
        return JobRequest.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidRequestError(f"the object's metadata: {where}: {first['msg']}", field=where) from error


def _erase(given: Mapping[str, str]) -> dict[str, Any] | None:
    if "erase" not in given:
        return None
    named = given["erase"].split(",")
    if not set(named) <= {"captions", "icons"}:
        allowed = "captions; icons; captions,icons"
        raise InvalidRequestError(f"metadata erase must be one of {allowed}", field="erase", allowed=allowed)
    settings: dict[str, Any] = {}
    if "captions" in named:
        settings["captions"] = _where(given, "") | ({"band": given["band"]} if "band" in given else {})
    if "icons" in named:
        kinds = {"kinds": given["icon-kinds"].split(",")} if "icon-kinds" in given else {}
        settings["icons"] = _where(given, "icon-") | kinds
    if "quality" in given:
        settings["quality"] = given["quality"]
    return settings


def _where(given: Mapping[str, str], prefix: str) -> dict[str, Any]:
    everything = f"{prefix}everything"
    if given.get(everything, "true") != "true":
        raise InvalidRequestError(f"metadata {everything} must be true", field=everything, allowed="true")
    return {
        "erase_everything": everything in given,
        "regions": _regions(given, f"{prefix}region"),
        "keep": _regions(given, f"{prefix}keep"),
    }


def _upscale(given: Mapping[str, str]) -> dict[str, Any] | None:
    if "upscale" not in given:
        return None
    settings: dict[str, Any] = {"factor": _number(given["upscale"], "upscale")}
    if "bitrate-mbps" in given:
        settings["bitrate_mbps"] = _number(given["bitrate-mbps"], "bitrate-mbps")
    settings |= {name: given[f"upscale-{name}"] for name in ("quality", "model") if f"upscale-{name}" in given}
    return settings


def _regions(given: Mapping[str, str], key: str) -> list[dict[str, float]]:
    names = ("x", "y", "width", "height")
    parts = [part for part in given.get(key, "").split(";") if part.strip()]
    try:
        return [dict(zip(names, map(float, part.split(",")), strict=True)) for part in parts]
    except ValueError as error:
        raise InvalidRequestError(f"metadata {key} must be x,y,width,height in fractions 0-1", field=key) from error


def _number(text: str, key: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InvalidRequestError(f"metadata {key} must be a whole number", field=key) from error
