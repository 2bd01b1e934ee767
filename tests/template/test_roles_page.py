"""docs/roles.md is what the template grants."""

from __future__ import annotations

from pathlib import Path

from tests.template.roles_page import page

ROOT = Path(__file__).parents[2]


def test_the_page_is_up_to_date(resources):
    written = (ROOT / "docs" / "roles.md").read_text(encoding="utf-8")
    assert written == page(resources), "run: python -m tests.template.roles_page > docs/roles.md"


def test_every_function_has_its_row(resources):
    text = page(resources)
    functions = [name for name, body in resources.items() if body["Type"] == "AWS::Serverless::Function"]
    assert functions
    assert not [name for name in functions if f"| `{name}` |" not in text]
