"""Icon library: the operations on its entries, and where their pictures lie."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain import storage_keys
from domain.errors import IconNotFoundError, TooManyIconsError
from domain.icon import (
    MAX_ICON_BYTES,
    MAX_ICONS,
    Icon,
    IconDraft,
    IconPage,
    IconView,
    KeptIcon,
    check_size,
    read_picture,
)
from domain.job import IconKind, ObjectRef
from domain.limits import check_upload_age
from domain.listing import page_of, place
from domain.work_order import LibraryIcon

if TYPE_CHECKING:
    from adapters.links import LinkSigner
    from adapters.media_bucket import MediaBucket
    from adapters.tenant_table import TenantTable

_PREFIX = "ICON#"


@dataclass(frozen=True, slots=True)
class Icons:
    """All tenants' icons. ``clock`` tells the present time in UTC."""

    table: TenantTable
    media: MediaBucket
    links: LinkSigner
    clock: Callable[[], datetime]

    def create(self, draft: IconDraft, owner: str) -> str:
        """Keep a new icon, its picture copied from an upload; return its ID.

        Raises:
            TooManyIconsError: the owner has as many as are kept.
            UploadNotFoundError: the upload is unknown or has expired.
            UnsupportedIconFormatError, UnsafeIconError, InvalidIconError: the picture cannot be used.
        """
        if sum(1 for _ in self.table.query(owner, _PREFIX, KeptIcon)) >= MAX_ICONS:
            raise TooManyIconsError(f"at most {MAX_ICONS} icons are kept; delete one", allowed="delete one")
        now = self.clock()
        found = self.media.find_upload(draft.upload_id, owner, field="upload_id")
        check_upload_age(draft.upload_id, found.last_modified, now, field="upload_id")
        check_size(found.size_bytes)
        data = self.media.read_bytes(found.ref, MAX_ICON_BYTES + 1)
        picture = read_picture(data)
        icon_id = str(uuid.uuid4())
        kept = self.media.write_bytes(storage_keys.icon(owner, icon_id), data, picture.media_type)
        icon = KeptIcon(
            icon_id=icon_id,
            name=draft.name,
            kind=draft.kind,
            media_type=picture.media_type,
            width=picture.width,
            height=picture.height,
            created_at=now,
            picture_version=kept.version_id,
        )
        self.table.put(owner, _entry(icon_id), icon)
        return icon_id

    def get(self, icon_id: str, owner: str) -> IconView:
        """Show one icon.

        Raises:
            IconNotFoundError: there is none, or it is somebody else's.
        """
        icon = self.table.get(owner, _entry(icon_id), KeptIcon)
        if icon is None:
            raise _unknown(icon_id)
        return self._shown((icon,), owner)[0]

    def page(self, owner: str, limit: int, cursor: str | None) -> IconPage:
        """Show some of an owner's icons, newest first.

        Raises:
            InvalidRequestError: the cursor is none that a listing gave.
        """
        icons = sorted(self.table.query(owner, _PREFIX, KeptIcon), key=_place, reverse=True)
        shown, next_cursor = page_of(icons, _place, limit, cursor, is_descending=True)
        return IconPage(icons=self._shown(shown, owner), next_cursor=next_cursor)

    def library(self, owner: str, kinds: Collection[IconKind]) -> tuple[LibraryIcon, ...]:
        """Return an owner's icons of the given kinds as a job's worker is told of them, oldest first."""
        icons = (icon for icon in self.table.query(owner, _PREFIX, KeptIcon) if icon.kind in kinds)
        return tuple(
            LibraryIcon(
                icon_id=icon.icon_id,
                name=icon.name,
                kind=icon.kind,
                picture=ObjectRef(
                    bucket=self.media.name,
                    key=storage_keys.icon(owner, icon.icon_id),
                    version_id=icon.picture_version,
                ),
                media_type=icon.media_type,
            )
            for icon in sorted(icons, key=_place)
        )

    def delete(self, icon_id: str, owner: str) -> None:
        """Delete an icon and its picture.

        Raises:
            IconNotFoundError: there is none, or it is somebody else's.
        """
        if not self.table.delete(owner, _entry(icon_id)):
            raise _unknown(icon_id)
        self.media.delete(storage_keys.icon(owner, icon_id))

    def _shown(self, icons: tuple[KeptIcon, ...], owner: str) -> tuple[IconView, ...]:
        links = self.links.links({icon.icon_id: storage_keys.icon(owner, icon.icon_id) for icon in icons})
        return tuple(
            IconView(
                **{name: getattr(icon, name) for name in Icon.model_fields},
                url=links.urls[icon.icon_id],
                url_expires_at=links.expires_at,
            )
            for icon in icons
        )


def _entry(icon_id: str) -> str:
    return f"{_PREFIX}{icon_id}"


def _place(icon: Icon) -> tuple[str, str]:
    return place(icon.created_at, icon.icon_id)


def _unknown(icon_id: str) -> IconNotFoundError:
    return IconNotFoundError(f"there is no icon {icon_id}", field="icon_id")
