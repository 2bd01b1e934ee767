"""The template and the state machine as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


class _Loader(yaml.SafeLoader):
    """Reads ``!Ref x`` as ``{"Ref": x}`` and ``!Sub x`` as ``{"Fn::Sub": x}``."""


def _long_form(loader, suffix, node):
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _long_form)


@pytest.fixture(scope="session")
def template_text() -> str:
    return (ROOT / "template.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def template(template_text: str) -> dict[str, Any]:
    return yaml.load(template_text, Loader=_Loader)


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, Any]:
    return template["Resources"]


@pytest.fixture(scope="session")
def definition_text() -> str:
    return (ROOT / "statemachine" / "process_video.asl.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def definition(definition_text: str) -> dict[str, Any]:
    return yaml.safe_load(definition_text)


@dataclass(frozen=True)
class Graph:
    """The states of one level: the machine's own, or those inside a Map."""

    name: str
    start: str
    states: dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def graphs(definition: dict[str, Any]) -> tuple[Graph, ...]:
    return tuple(_graphs("process_video", definition))


def _graphs(name: str, level: dict[str, Any]) -> Iterator[Graph]:
    yield Graph(name, level["StartAt"], level["States"])
    for state_name, state in level["States"].items():
        if "ItemProcessor" in state:
            yield from _graphs(state_name, state["ItemProcessor"])
