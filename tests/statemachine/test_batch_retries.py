"""What Batch does after an attempt: the rules of the template's job definition, read as the local engine reads them."""

import pytest

from local.batch_jobs import action_after
from local.processes import REPOSITORY
from local.template import Template

HOST_TAKEN = "Host EC2 (instance i-0123456789abcdef0) terminated."
ENDED = "Essential container in task exited"


OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


@pytest.mark.parametrize(
    ("exit_code", "reason", "container_reason", "action"),
    [
        (137, HOST_TAKEN, "", "EXIT"),
        (None, HOST_TAKEN, "", "EXIT"),
        (137, ENDED, "", "RETRY"),
        (137, ENDED, OUT_OF_MEMORY, "EXIT"),
        (2, ENDED, "", "EXIT"),
        (1, ENDED, "", "EXIT"),
    ],
)
def test_only_what_came_from_outside_is_worth_another_attempt(exit_code, reason, container_reason, action):
    template = Template(REPOSITORY / "template.yaml", "smart-erase", {})
    (definition,) = template.resources("AWS::Batch::JobDefinition")
    rules = [
        {name[0].lower() + name[1:]: value for name, value in rule.items()}
        for rule in definition.properties["RetryStrategy"]["EvaluateOnExit"]
    ]
    assert action_after(rules, exit_code, reason, container_reason) == action


def test_without_a_matching_rule_batch_retries():
    assert action_after([{"onExitCode": "2", "action": "EXIT"}], 1, ENDED) == "RETRY"
