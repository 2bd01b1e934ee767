"""Loaded by schemathesis: what every refusal of this service has to be."""

import re
from pathlib import Path

import schemathesis

_PAGE = (Path(__file__).resolve().parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
_CODES = set(re.findall(r"^\| `(\w+)` \|", _PAGE, re.MULTILINE))


@schemathesis.check
def refusals_are_documented_problems(
    _context: schemathesis.CheckContext, response: schemathesis.Response, _case: schemathesis.Case
) -> None:
    """A refusal names a code of docs/errors.md, its own status, and where the request is at fault the field."""
    if response.status_code < 400:
        return
    if response.headers.get("content-type") == ["application/json"]:
        # The gateway's own words, for a request without credentials or beyond what it takes.
        assert set(response.json()) == {"message"}, response.text
        assert response.status_code in {401, 413}, response.text
        return
    problem = response.json()
    assert problem["code"] in _CODES, problem
    assert problem["status"] == response.status_code, problem
    assert problem["detail"], problem
    assert response.status_code != 400 or problem.get("field"), problem
