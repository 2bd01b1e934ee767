"""Templates: settings of an erase under a name, which jobs refer to; what a job says itself wins over its template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from domain.errors import TemplateKindMismatchError
from domain.job import MAX_NAME_LENGTH, CaptionErasure, EraseSettings, IconErasure, JobRequest, Quality
from domain.listing import page_of, place
from domain.strict import Strict

#: A tenant's templates are read as a whole to be filtered and sorted: a few pages of the table.
MAX_TEMPLATES = 500


class TemplateKind(StrEnum):
    """What a template's jobs remove."""

    CAPTION = "caption"
    ICON = "icon"


#: What a kind's settings are called in those of a job.
_FIELDS = {TemplateKind.CAPTION: "captions", TemplateKind.ICON: "icons"}


class TemplateOrder(StrEnum):
    """How a listing is sorted."""

    NEWEST_FIRST = "newest_first"
    OLDEST_FIRST = "oldest_first"


class CaptionSettings(Strict):
    """How a template's jobs remove captions."""

    captions: CaptionErasure = CaptionErasure()
    quality: Quality = Quality.NORMAL


class IconSettings(Strict):
    """How a template's jobs remove icons."""

    icons: IconErasure = IconErasure()
    quality: Quality = Quality.NORMAL


_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]


class CaptionTemplate(Strict):
    """A template for the removal of captions, as its owner writes it."""

    kind: Literal[TemplateKind.CAPTION]
    name: _Name
    settings: CaptionSettings = CaptionSettings()


class IconTemplate(Strict):
    """A template for the removal of icons, as its owner writes it."""

    kind: Literal[TemplateKind.ICON]
    name: _Name
    settings: IconSettings = IconSettings()


TemplateDraft = Annotated[CaptionTemplate | IconTemplate, Field(discriminator="kind")]


class Template(Strict):
    """A template as it is kept."""

    template_id: str
    draft: TemplateDraft
    created_at: AwareDatetime
    modified_at: AwareDatetime


class TemplateView(Strict):
    """A template as it is shown. ``is_default`` tells whether it is its owner's default of its kind."""

    template_id: str
    kind: TemplateKind
    name: str
    settings: CaptionSettings | IconSettings
    is_default: bool
    created_at: AwareDatetime
    modified_at: AwareDatetime


class TemplateFilter(Strict):
    """Which templates a listing holds; ``name`` is a part of the name, in any case."""

    kind: TemplateKind | None = None
    name: Annotated[str, Field(max_length=MAX_NAME_LENGTH)] | None = None
    is_default: bool | None = None

    def admits(self, template: TemplateView) -> bool:
        """Tell whether a template is in the listing."""
        return (
            (self.kind is None or template.kind is self.kind)
            and (self.name is None or self.name.casefold() in template.name.casefold())
            and (self.is_default is None or template.is_default is self.is_default)
        )


class TemplatePage(Strict):
    """Some templates. ``next_cursor`` is there when more follow; ``total`` counts all that the filter admits."""

    templates: tuple[TemplateView, ...]
    next_cursor: str | None = None
    total: int


def view(template: Template, *, is_default: bool) -> TemplateView:
    """Show a template."""
    return TemplateView(
        template_id=template.template_id,
        kind=template.draft.kind,
        name=template.draft.name,
        settings=template.draft.settings,
        is_default=is_default,
        created_at=template.created_at,
        modified_at=template.modified_at,
    )


def listed(templates: Iterable[TemplateView], wanted: TemplateFilter, order: TemplateOrder) -> tuple[TemplateView, ...]:
    """Return the templates that a filter admits, in order of creation."""
    found = [template for template in templates if wanted.admits(template)]
    return tuple(sorted(found, key=_place, reverse=order is TemplateOrder.NEWEST_FIRST))


def page(templates: tuple[TemplateView, ...], order: TemplateOrder, limit: int, cursor: str | None) -> TemplatePage:
    """Return the part of a sorted listing that follows ``cursor``.

    Raises:
        InvalidRequestError: the cursor is none that a listing gave.
    """
    is_descending = order is TemplateOrder.NEWEST_FIRST
    shown, next_cursor = page_of(templates, _place, limit, cursor, is_descending=is_descending)
    return TemplatePage(templates=shown, next_cursor=next_cursor, total=len(templates))


def _place(template: TemplateView) -> tuple[str, str]:
    return place(template.created_at, template.template_id)


def filled_in(request: JobRequest, template: TemplateView) -> JobRequest:
    """Return a request with the settings of its template where it says nothing itself.

    What was given explicitly wins, field by field; a list of regions counts as one field. A job that names what it
    removes has to name what the template is for; it may name the other as well.

    Raises:
        TemplateKindMismatchError: the template removes something else than the job.
        pydantic.ValidationError: the two together break a rule.
    """
    own = {} if request.erase is None else request.erase.model_dump(exclude_unset=True)
    named = [kind for kind, field in _FIELDS.items() if own.get(field) is not None]
    if named and template.kind not in named:
        raise TemplateKindMismatchError(
            f"the template {template.template_id} is one for {template.kind}s; the job removes {_FIELDS[named[0]]}",
            field="template_id",
            allowed=named[0],
        )
    merged = _over(template.settings.model_dump(), own)
    return request.model_copy(update={"erase": EraseSettings.model_validate(merged)})


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        merged[name] = _over(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged
