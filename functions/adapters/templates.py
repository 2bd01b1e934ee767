"""Templates: the operations that both doors of the API offer on them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.errors import (
    InvalidRequestError,
    TemplateKindMismatchError,
    TemplateNotFoundError,
    TooManyTemplatesError,
)
from domain.job import JobRequest
from domain.template import (
    MAX_TEMPLATES,
    CaptionSettings,
    CaptionTemplate,
    IconSettings,
    IconTemplate,
    Template,
    TemplateFilter,
    TemplateKind,
    TemplateOrder,
    TemplatePage,
    TemplateView,
    filled_in,
    listed,
    page,
    view,
)

if TYPE_CHECKING:
    from adapters.tenant_table import TenantTable

_PREFIX = "TEMPLATE#"


class _Default(BaseModel):
    """Which template is its owner's default of a kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    template_id: str


@dataclass(frozen=True, slots=True)
class Templates:
    """All tenants' templates. ``clock`` tells the present time in UTC."""

    table: TenantTable
    clock: Callable[[], datetime]

    def create(self, draft: CaptionTemplate | IconTemplate, owner: str) -> TemplateView:
        """Keep a new template.

        Raises:
            TooManyTemplatesError: the owner has as many as are kept.
        """
        if sum(1 for _ in self.table.query(owner, _PREFIX, Template)) >= MAX_TEMPLATES:
            raise TooManyTemplatesError(f"at most {MAX_TEMPLATES} templates are kept; delete one", allowed="delete one")
        now = self.clock()
        template = Template(template_id=str(uuid.uuid4()), draft=draft, created_at=now, modified_at=now)
        self.table.put(owner, _entry(template.template_id), template)
        return view(template, is_default=False)

    def get(self, template_id: str, owner: str) -> TemplateView:
        """Read one template.

        Raises:
            TemplateNotFoundError: there is none, or it is somebody else's.
        """
        return self._view(self._read(template_id, owner), owner)

    def default(self, kind: TemplateKind, owner: str) -> TemplateView | None:
        """Return the owner's default template of a kind, None where none was chosen, or it was deleted since."""
        template_id = self._default_id(kind, owner)
        template = None if template_id is None else self.table.get(owner, _entry(template_id), Template)
        return None if template is None else view(template, is_default=True)

    def list(self, owner: str, wanted: TemplateFilter, order: TemplateOrder) -> tuple[TemplateView, ...]:
        """Return all of an owner's templates that a filter admits."""
        defaults = {kind: self._default_id(kind, owner) for kind in TemplateKind}
        shown = (
            view(template, is_default=defaults[template.draft.kind] == template.template_id)
            for template in self.table.query(owner, _PREFIX, Template)
        )
        return listed(shown, wanted, order)

    def page(
        self, owner: str, wanted: TemplateFilter, order: TemplateOrder, limit: int, cursor: str | None
    ) -> TemplatePage:
        """Return some of an owner's templates.

        Raises:
            InvalidRequestError: the cursor is none that a listing gave.
        """
        return page(self.list(owner, wanted, order), order, limit, cursor)

    def update(
        self,
        template_id: str,
        owner: str,
        *,
        name: str | None = None,
        settings: CaptionSettings | IconSettings | None = None,
    ) -> TemplateView:
        """Change a template's name, its settings, or both; its kind stays.

        Raises:
            TemplateNotFoundError: there is none, or it is somebody else's.
            TemplateKindMismatchError: the settings are those of the other kind.
            InvalidRequestError: the name breaks a rule.
        """
        old = self._read(template_id, owner)
        if settings is not None and not isinstance(settings, type(old.draft.settings)):
            raise TemplateKindMismatchError(
                f"the template {template_id} is one for {old.draft.kind}s", field="settings", allowed=old.draft.kind
            )
        changes = {"name": name, "settings": settings}
        values = {**dict(old.draft), **{field: value for field, value in changes.items() if value is not None}}
        try:
            draft = type(old.draft).model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise InvalidRequestError(f"{first['loc'][0]}: {first['msg']}", field=str(first["loc"][0])) from error
        template = old.model_copy(update={"draft": draft, "modified_at": self.clock()})
        if not self.table.replace(owner, _entry(template_id), template):
            raise _unknown(template_id)
        return self._view(template, owner)

    def delete(self, template_id: str, owner: str) -> None:
        """Delete a template; jobs that were made with it keep its settings.

        Raises:
            TemplateNotFoundError: there is none, or it is somebody else's.
        """
        if not self.table.delete(owner, _entry(template_id)):
            raise _unknown(template_id)

    def set_default(self, template_id: str, owner: str) -> TemplateView:
        """Make a template its owner's default of its kind.

        Raises:
            TemplateNotFoundError: there is none, or it is somebody else's.
        """
        template = self._read(template_id, owner)
        self.table.put(owner, _default_entry(template.draft.kind), _Default(template_id=template_id))
        return view(template, is_default=True)

    def fill_in(self, request: JobRequest, owner: str) -> JobRequest:
        """Return a request with the settings of the template that it names, if it names one.

        Raises:
            TemplateNotFoundError: there is none, or it is somebody else's.
            TemplateKindMismatchError: it is for something else than what the job removes.
            InvalidRequestError: the job's settings and the template's together break a rule.
        """
        if request.template_id is None:
            return request
        try:
            return filled_in(request, self.get(request.template_id, owner))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(("erase", *map(str, first["loc"])))
            raise InvalidRequestError(
                f"the job's settings do not go with its template's: {where}: {first['msg']}", field=where
            ) from error

    def _read(self, template_id: str, owner: str) -> Template:
        template = self.table.get(owner, _entry(template_id), Template)
        if template is None:
            raise _unknown(template_id)
        return template

    def _view(self, template: Template, owner: str) -> TemplateView:
        return view(template, is_default=self._default_id(template.draft.kind, owner) == template.template_id)

    def _default_id(self, kind: TemplateKind, owner: str) -> str | None:
        found = self.table.get(owner, _default_entry(kind), _Default)
        return None if found is None else found.template_id


def _entry(template_id: str) -> str:
    return f"{_PREFIX}{template_id}"


def _default_entry(kind: TemplateKind) -> str:
    return f"DEFAULT_TEMPLATE#{kind}"


def _unknown(template_id: str) -> TemplateNotFoundError:
    return TemplateNotFoundError(f"there is no template {template_id}", field="template_id")
