"""What tenants keep: documents by owner and entry, and sealed secrets."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from pydantic import BaseModel

from adapters.tenant_table import TenantTable


class Note(BaseModel):
    text: str


@pytest.fixture
def table(deployment) -> TenantTable:
    return deployment.serve()._tenants


def test_a_document_is_written_once_replaced_and_deleted(table):
    assert not table.replace("a", "NOTE#1", Note(text="too early"))
    assert table.put_new("a", "NOTE#1", Note(text="first"))
    assert not table.put_new("a", "NOTE#1", Note(text="second"))
    assert table.get("a", "NOTE#1", Note) == Note(text="first")
    assert table.replace("a", "NOTE#1", Note(text="third"))
    assert table.get("a", "NOTE#1", Note) == Note(text="third")
    assert table.delete("a", "NOTE#1")
    assert not table.delete("a", "NOTE#1")
    assert table.get("a", "NOTE#1", Note) is None


def test_a_query_reads_one_owner_and_one_kind_in_order(table):
    for owner, entry in (("a", "NOTE#2"), ("a", "NOTE#1"), ("a", "NOTF#1"), ("b", "NOTE#1"), ("a", "NOTE#中")):
        table.put(owner, entry, Note(text=f"{owner} {entry}"))
    assert [note.text for note in table.query("a", "NOTE#", Note)] == ["a NOTE#1", "a NOTE#2", "a NOTE#中"]
    assert [note.text for note in table.between("a", "NOTE#2", "NOTF#1", Note)] == ["a NOTE#2", "a NOTE#中", "a NOTF#1"]


def test_a_sealed_secret_opens_only_in_its_own_context(deployment):
    secrets = deployment.serve().secrets
    sealed = secrets.seal("s3cret", {"owner": "a"})
    assert "s3cret" not in sealed
    assert secrets.open(sealed, {"owner": "a"}) == "s3cret"
    with pytest.raises(ClientError):
        secrets.open(sealed, {"owner": "b"})
