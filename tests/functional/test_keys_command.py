"""``python -m local keys`` on a stack: found by the outputs that the template gives it."""

from __future__ import annotations

import json
import signal

import boto3
import pytest

from adapters.service import current_service
from domain.access import Scope
from local import installation, keys
from local.cli import main


@pytest.fixture
def stack(deployment):
    """The deployment's table and key, as CloudFormation would tell of them."""
    outputs = {
        "AccessKeysTableName": deployment.settings.access_keys_table,
        "SecretsKeyAliasName": deployment.settings.secrets_key,
    }
    document = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    boto3.client("cloudformation").create_stack(StackName="smart-erase", TemplateBody=json.dumps(document))
    return "smart-erase"


def run(capsys, *arguments):
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = main(["keys", *arguments])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    printed = capsys.readouterr()
    return code, (printed.out or printed.err).strip()


def test_a_key_is_made_listed_and_revoked(stack, capsys):
    quota = ("--jobs-in-flight", "3", "--pieces-at-once", "8", "--expires-days", "7")
    code, made = run(capsys, "create", "--owner", "acme", "--scope", "read", *quota, "--stack", stack)
    assert code == 0
    key_id, _, secret = made.partition(".")
    key, kept = current_service().access_keys.get(key_id)
    assert (kept, key.owner, key.scopes) == (secret, "acme", {Scope.READ})
    assert (key.quota.jobs_in_flight, key.quota.pieces_at_once) == (3, 8)
    assert key.expires_at is not None

    code, listed = run(capsys, "list", "--owner", "acme", "--stack", stack)
    assert code == 0
    assert key_id in listed
    assert secret not in listed
    assert run(capsys, "list", "--owner", "other", "--stack", stack) == (0, "")

    assert run(capsys, "revoke", key_id, "--stack", stack)[0] == 0
    assert current_service().access_keys.get(key_id)[0].revoked_at is not None
    assert "revoked" in run(capsys, "list", "--stack", stack)[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create", "--owner", "ACME"], "--owner"),
        (["create", "--owner", "acme", "--jobs-in-flight", "0"], "--jobs-in-flight"),
        (["revoke", "none"], "no access key none"),
    ],
)
def test_what_cannot_be_is_one_line(stack, capsys, arguments, words):
    code, printed = run(capsys, *arguments, "--stack", stack)
    assert code == 2
    assert words in printed
    assert "\n" not in printed


def test_without_a_stack_or_a_service_there_are_no_keys(deployment, capsys, tmp_path):
    assert run(capsys, "list", "--stack", "none")[0] == 2
    code, printed = run(capsys, "list", "--data", str(tmp_path))
    assert (code, "no service is running" in printed) == (2, True)


def test_a_stack_without_the_outputs_is_told_to_be_updated(deployment):
    document = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    boto3.client("cloudformation").create_stack(StackName="old", TemplateBody=json.dumps(document))
    with pytest.raises(installation.NoServiceError, match="update it first"):
        keys.of(installation.of_stack("old"))
