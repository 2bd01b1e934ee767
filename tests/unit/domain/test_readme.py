"""The README shows what the domain takes: every metadata key of the inbox and no other, and a request that is valid."""

import re
from pathlib import Path

from domain.inbox import METADATA_KEYS
from domain.job import JobRequest

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def test_the_readme_lists_every_metadata_key():
    table = README.partition("| metadata key |")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == METADATA_KEYS


def test_the_request_in_the_readme_is_valid():
    (request,) = re.findall(r"^```json\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    erase = JobRequest.model_validate_json(request).erase
    assert erase is not None
    assert erase.captions.keep
