"""The table of docs/roles.md, made of the template: `python -m tests.template.roles_page > docs/roles.md`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.template.conftest import _Loader

ROOT = Path(__file__).parents[2]
HEAD = """# Roles

Who may do what on AWS: one role for each function and each part of the machinery. Made of `template.yaml` by
`python -m tests.template.roles_page`; why a statement has a `*` stands beside it there. Every function may also write
its logs and traces (SAM adds that).

| role | may |
|---|---|
"""


def page(resources: dict[str, Any]) -> str:
    """Return the text of the page."""
    extra = _attached(resources)
    rows = []
    for name, body in resources.items():
        policies = body.get("Properties", {}).get("Policies")
        own = list(_rights(policies)) if policies else []
        if body["Type"] in {"AWS::Serverless::Function", "AWS::Serverless::StateMachine", "AWS::IAM::Role"}:
            own += [f"AWS's {arn['Fn::Sub'].rsplit('/', 1)[-1]}" for arn in _managed(body)]
            rights = sorted({*own, *extra.get(name, ()), *extra.get(f"{name}Role", ())})
            rows.append(f"| `{name}` | {'<br>'.join(rights) or 'nothing more'} |\n")
    return HEAD + "".join(rows)


def _managed(body: dict[str, Any]) -> list[dict[str, str]]:
    return list(body["Properties"].get("ManagedPolicyArns", ()))


def _attached(resources: dict[str, Any]) -> dict[str, list[str]]:
    """Return what managed policies of the template give, by the roles that they are attached to."""
    found: dict[str, list[str]] = {}
    for body in resources.values():
        if body["Type"] == "AWS::IAM::ManagedPolicy":
            for role in body["Properties"].get("Roles", ()):
                found.setdefault(role["Ref"], []).extend(f"{right} (if opened)" for right in _rights(body))
    return found


def _rights(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("Effect") == "Allow" and "Action" in value and "Principal" not in value:
            yield f"{_joined(value['Action'])} on {', '.join(_named(each) for each in _listed(value['Resource']))}"
            return
        if "Ref" not in value and len(value) == 1 and (name := next(iter(value))).endswith("Policy"):
            yield f"{name} on {', '.join(_named(each) for each in value[name].values())}"
            return
        for item in value.values():
            yield from _rights(item)
    elif isinstance(value, list):
        for item in value:
            yield from _rights(item)


def _joined(actions: Any) -> str:
    return ", ".join(f"`{action}`" for action in _listed(actions))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _named(resource: Any) -> str:
    """Return a resource as one would say it: `JobsTable`, `MediaBucket/jobs/*`, the end of an ARN."""
    if isinstance(resource, str):
        return f"`{resource}`"
    ((way, told),) = resource.items()
    if way == "Ref":
        return f"`{told}`"
    if way == "Fn::GetAtt":
        return f"`{told.removesuffix('.Arn')}`"
    if way == "Fn::Split":
        text, values = told[1]["Fn::Sub"]
        (bucket,) = re.findall(r"'Ref': '(\w+)'", str(values))
        return f"`{text.replace('arn:aws:s3:::', '').replace('${Buckets}', bucket)}`"
    text = re.sub(r"^arn:\$\{AWS::Partition\}:(\w+):[^:]*:[^:]*:", r"\1:", str(told))
    return f"`{text.replace('.Arn}', '}').replace('${AWS::StackName}-', '').replace('${', '').replace('}', '')}`"


if __name__ == "__main__":
    document = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader=_Loader)
    sys.stdout.write(page(document["Resources"]))
