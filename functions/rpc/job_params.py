"""JobParams of Smart Erase: where and when to erase, in the words of the RPC service, turned into ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.errors import InvalidRequestError
from domain.job import IconKind
from domain.regions import CAPTION_BAND, MAX_REGIONS, WHOLE_FRAME, Region
from rpc.call import json_of, whole

_FIELD = "JobParams"
#: Regions come under both names, whichever the function.
_REGION_KEYS = ("LimitRegion", "Boxes")
_ERASE_KEYS = (*_REGION_KEYS, "Time")
_EXTRACTION_KEYS = ("fps", "roi", "lang", "track")
_LOGO_MODEL = "LogoModel"
_LOGO_MODELS = tuple(IconKind)
_LANGUAGES = ("ch", "en", "ch_ml")


def regions_of(params: Mapping[str, Any], where: Region = CAPTION_BAND) -> list[dict[str, Any]]:
    """Return the regions that an erase is limited to, with their times; none stands for auto-detection.

    Times without a region count for ``where``: what is looked at without either.

    Raises:
        InvalidRequestError: a key is unknown, or a value has another form.
    """
    _refuse_unknown(params, _ERASE_KEYS)
    given = [key for key in _REGION_KEYS if params.get(key) not in (None, "")]
    if len(given) > 1:
        raise InvalidRequestError("give either LimitRegion or Boxes", field=_FIELD)
    regions = [_region(box) for box in _boxes(params[given[0]])] if given else []
    times = _times(params.get("Time"))
    if times and not regions:
        regions = [where.model_dump(exclude={"time_ranges"})]
    return [{**region, "time_ranges": times} for region in regions] if times else regions


def icons_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return which icons an erase removes: of the kinds of ``LogoModel``, both where it is not given, and where.

    Raises:
        InvalidRequestError: a key is unknown, or a value has another form.
    """
    own = {key: value for key, value in params.items() if key != _LOGO_MODEL}
    regions = regions_of(own, where=WHOLE_FRAME)
    return {**_icon_kinds(params.get(_LOGO_MODEL)), **({"regions": regions} if regions else {})}


def _icon_kinds(given: Any) -> dict[str, list[str]]:
    if given in (None, ""):
        return {}
    kinds = given.split(",") if isinstance(given, str) else []
    if not kinds or any(kind not in _LOGO_MODELS for kind in kinds) or len(set(kinds)) != len(kinds):
        raise InvalidRequestError(
            "LogoModel is not known", field=f"{_FIELD}.LogoModel", allowed="tv; internet; tv,internet"
        )
    return {"kinds": kinds}


def params_of(regions: Sequence[Region]) -> dict[str, Any]:
    """Return regions as JobParams has them.

    ``Time`` counts for all regions there; regions with different times, which only REST can make, are written as
    ``Regions`` in its form.
    """
    if not regions:
        return {}
    if any(region.time_ranges != regions[0].time_ranges for region in regions):
        return {"Regions": [region.model_dump() for region in regions]}
    params: dict[str, Any] = {_REGION_KEYS[0]: [[r.x, r.y, r.width, r.height] for r in regions]}
    if regions[0].time_ranges:
        params["Time"] = [[time.start_seconds, time.end_seconds] for time in regions[0].time_ranges]
    return params


def extraction_regions_of(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the regions that CaptionExtraction reads, from ``roi``: ``[[top, bottom], [left, right]]``.

    ``fps``, ``lang`` and ``track`` are checked and have no effect: every frame is looked at, in all languages.

    Raises:
        InvalidRequestError: a key is unknown, or a value has another form.
    """
    _refuse_unknown(params, _EXTRACTION_KEYS)
    whole(params.get("fps", 5), "JobParams.fps", 2, 10)
    if params.get("lang", "ch") not in _LANGUAGES:
        raise InvalidRequestError("JobParams.lang is not known", field="JobParams.lang", allowed=", ".join(_LANGUAGES))
    if params.get("track", "main") != "main":
        raise InvalidRequestError("JobParams.track must be main", field="JobParams.track", allowed="main")
    roi = _list_of(params.get("roi"), "roi")
    if not roi:
        return []
    form = "JobParams.roi must be [[top, bottom], [left, right]]"
    if len(roi) != 2 or not all(isinstance(pair, list) and len(pair) == 2 for pair in roi):
        raise InvalidRequestError(form, field="JobParams.roi")
    (top, bottom), (left, right) = ([_number(value, form) for value in pair] for pair in roi)
    return [{"x": left, "y": top, "width": right - left, "height": bottom - top}]


def box(x: float, y: float, width: float, height: float) -> dict[str, float]:
    """Return a region of a job."""
    return {"x": x, "y": y, "width": width, "height": height}


def _refuse_unknown(params: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in params:
        if key not in known:
            raise InvalidRequestError(f"JobParams.{key} is not known", field=_FIELD, allowed=", ".join(known))


def _boxes(value: Any) -> list[Any]:
    boxes = _list_of(value, "LimitRegion")
    if boxes and not isinstance(boxes[0], list):
        boxes = [boxes]
    if len(boxes) > MAX_REGIONS:
        raise InvalidRequestError(f"at most {MAX_REGIONS} regions are taken", field=_FIELD, allowed=str(MAX_REGIONS))
    return boxes


def _region(value: Any) -> dict[str, float]:
    form = "a region must be [xmin, ymin, width, height] in fractions 0-1"
    if not isinstance(value, list) or len(value) != 4:
        raise InvalidRequestError(form, field=_FIELD)
    return box(*(_number(part, form) for part in value))


def _times(value: Any) -> list[dict[str, float]]:
    form = "Time must be [start, end] in seconds, or a list of these"
    times = _list_of(value, "Time")
    if times and not isinstance(times[0], list):
        times = [times]
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in times):
        raise InvalidRequestError(form, field=_FIELD)
    return [{"start_seconds": _number(start, form), "end_seconds": _number(end, form)} for start, end in times]


def _list_of(value: Any, name: str) -> list[Any]:
    """Return a list that was given as such, or as a text that holds it."""
    if value in (None, ""):
        return []
    found = json_of(value, f"{_FIELD}.{name}") if isinstance(value, str) else value
    if not isinstance(found, list):
        raise InvalidRequestError(f"JobParams.{name} must be a list", field=_FIELD)
    return found


def _number(value: Any, form: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequestError(form, field=_FIELD)
    return float(value)
