"""The metadata keys of the inbox: the README lists those that are read, and no other."""

import re
from pathlib import Path

from domain.inbox import METADATA_KEYS

README = Path(__file__).parents[3] / "README.md"


def test_the_readme_lists_every_key():
    table = README.read_text(encoding="utf-8").partition("| metadata key |")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == METADATA_KEYS
