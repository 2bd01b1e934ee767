"""Icon library: the operations on its entries, and where their pictures lie."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain import storage_keys
from domain.errors import IconNotFoundError, TooManyIconsError
from domain.icon import MAX_ICON_BYTES, MAX_ICONS, Icon, IconDraft, IconPage, IconView, check_size, size_of_image
from domain.limits import check_upload_age
from domain.listing import page_of, place

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
            UnsupportedIconFormatError, InvalidIconError: the picture cannot be used.
        """
        if sum(1 for _ in self.table.query(owner, _PREFIX, Icon)) >= MAX_ICONS:
            raise TooManyIconsError(f"at most {MAX_ICONS} icons are kept; delete one", allowed="delete one")
        now = self.clock()
        found = self.media.find_upload(draft.upload_id, owner, field="upload_id")
        check_upload_age(draft.upload_id, found.last_modified, now, field="upload_id")
        check_size(found.size_bytes)
        data = self.media.read_bytes(found.ref, MAX_ICON_BYTES + 1)
        width, height = size_of_image(data)
        icon_id = str(uuid.uuid4())
        self.media.write_bytes(storage_keys.icon(owner, icon_id), data, "image/png")
        icon = Icon(icon_id=icon_id, name=draft.name, kind=draft.kind, width=width, height=height, created_at=now)
        self.table.put(owner, _entry(icon_id), icon)
        return icon_id

    def get(self, icon_id: str, owner: str) -> IconView:
        """Show one icon.

        Raises:
            IconNotFoundError: there is none, or it is somebody else's.
        """
        icon = self.table.get(owner, _entry(icon_id), Icon)
        if icon is None:
            raise _unknown(icon_id)
        return self._shown((icon,), owner)[0]

    def page(self, owner: str, limit: int, cursor: str | None) -> IconPage:
        """Show some of an owner's icons, newest first.

        Raises:
            InvalidRequestError: the cursor is none that a listing gave.
        """
        icons = sorted(self.table.query(owner, _PREFIX, Icon), key=_place, reverse=True)
        shown, next_cursor = page_of(icons, _place, limit, cursor, is_descending=True)
        return IconPage(icons=self._shown(shown, owner), next_cursor=next_cursor)

    def delete(self, icon_id: str, owner: str) -> None:
        """Delete an icon and its picture.

        Raises:
            IconNotFoundError: there is none, or it is somebody else's.
        """
        if not self.table.delete(owner, _entry(icon_id)):
            raise _unknown(icon_id)
        self.media.delete(storage_keys.icon(owner, icon_id))

    def _shown(self, icons: tuple[Icon, ...], owner: str) -> tuple[IconView, ...]:
        links = self.links.links({icon.icon_id: storage_keys.icon(owner, icon.icon_id) for icon in icons})
        return tuple(
            IconView(**dict(icon), url=links.urls[icon.icon_id], url_expires_at=links.expires_at) for icon in icons
        )


def _entry(icon_id: str) -> str:
    return f"{_PREFIX}{icon_id}"


def _place(icon: Icon) -> tuple[str, str]:
    return place(icon.created_at, icon.icon_id)


def _unknown(icon_id: str) -> IconNotFoundError:
    return IconNotFoundError(f"there is no icon {icon_id}", field="icon_id")
