"""The state machine's graph: what SAM's lint does not look into."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.access import PIECES_AT_ONCE
from domain.errors import public_errors

RETRIED = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Batch.AWSBatchException",
    "Batch.ServerException",
    "Batch.SdkClientException",
}
TERMINAL = {"Fail", "Succeed"}


def targets(state: dict[str, Any]) -> Iterator[str]:
    for holder in (state, *state.get("Catch", ()), *state.get("Choices", ())):
        if "Next" in holder:
            yield holder["Next"]
    if "Default" in state:
        yield state["Default"]


def reachable(graph) -> set[str]:
    seen, waiting = set(), [graph.start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += targets(graph.states[name])
    return seen


def all_states(graphs):
    return [(name, state) for graph in graphs for name, state in graph.states.items()]


def test_every_next_exists_and_every_state_is_reached(graphs):
    for graph in graphs:
        named = {target for state in graph.states.values() for target in targets(state)} | {graph.start}
        assert named <= set(graph.states)
        assert reachable(graph) == set(graph.states)


def test_every_state_goes_on_or_ends(graphs):
    for name, state in all_states(graphs):
        ways = [key for key in ("Next", "End", "Choices") if key in state]
        assert bool(ways) != (state["Type"] in TERMINAL), name


def test_every_choice_has_a_default(graphs):
    for name, state in all_states(graphs):
        assert ("Default" in state) == (state["Type"] == "Choice"), name


def test_every_state_says_what_it_is_for(graphs, definition):
    assert definition["Comment"]
    for name, state in all_states(graphs):
        assert state.get("Comment", "").endswith("."), name


def test_every_task_ends_in_time_and_its_failure_is_caught(graphs, definition):
    assert definition["TimeoutSeconds"] > max(
        state["TimeoutSeconds"] for _, state in all_states(graphs) if state["Type"] == "Task"
    )
    for name, state in all_states(graphs):
        if state["Type"] in {"Task", "Map"}:
            assert [catch["ErrorEquals"] for catch in state["Catch"]] == [["States.ALL"]], name
            assert state["Catch"][0]["ResultPath"] == "$.failure", name


@pytest.mark.parametrize(
    ("level", "recorder", "end"),
    [
        (0, "RecordFailure", "Failed"),
        (1, "RecordPieceFailure", "PieceFailed"),
        (2, "RecordPieceFailure", "PieceFailed"),
    ],
)
def test_every_failure_is_recorded_and_ends_red(graphs, level, recorder, end):
    states = graphs[level].states
    for name, state in states.items():
        for catch in state.get("Catch", ()):
            if "batch" in state.get("Resource", ""):
                assert catch["Next"] == f"Is{name}HostLost"
                assert states[f"Is{name}HostLost"]["Default"] == recorder
            else:
                assert catch["Next"] == (end if name == recorder else recorder), name
    assert states[recorder]["Next"] == end
    assert states[end]["Type"] == "Fail"
    assert states[end]["ErrorPath"] == "$.failure.Error"


def test_a_stage_that_lost_its_machine_goes_on_with_the_next_queue_and_not_for_ever(graphs):
    queues = 4
    for graph in graphs:
        for name, state in graph.states.items():
            if "batch" in state.get("Resource", ""):
                assert state["Parameters"]["JobQueue.$"] == "States.ArrayGetItem($.work.queues, $.work.hosts.lost)"
                (choice,) = graph.states[f"Is{name}HostLost"]["Choices"]
                assert {"Variable": "$.work.hosts.lost", "NumericLessThan": queues - 1} in choice["And"]
                moved = graph.states[choice["Next"]]
                assert (moved["ResultPath"], moved["Next"]) == ("$.work.hosts", name)


def test_few_pieces_and_many_go_through_the_same_states(graphs, definition):
    _, few, many = graphs
    assert (few.start, few.states) == (many.start, many.states)
    states = definition["States"]
    maps = [states[name] for name in (few.name, many.name)]
    assert [state["ItemProcessor"]["ProcessorConfig"]["Mode"] for state in maps] == ["INLINE", "DISTRIBUTED"]
    assert {state["MaxConcurrencyPath"] for state in maps} == {"$.plan.parallel"}
    (choice,) = states["AreSegmentsMany"]["Choices"]
    assert (choice["NumericGreaterThan"], choice["Next"]) == (PIECES_AT_ONCE, many.name)


def test_only_failed_calls_to_an_api_are_retried(graphs):
    for name, state in all_states(graphs):
        if state["Type"] == "Task":
            (retry,) = state["Retry"]
            assert set(retry["ErrorEquals"]) <= RETRIED, name
            assert not set(retry["ErrorEquals"]) & set(public_errors()), name
            service = state["Resource"].split(":")[5].capitalize()
            assert {error.split(".")[0] for error in retry["ErrorEquals"]} == {service}, name
            assert retry["JitterStrategy"] == "FULL"
            assert retry["BackoffRate"] > 1


def test_batch_jobs_can_be_found_by_the_jobs_id(graphs):
    batch = [state for _, state in all_states(graphs) if "batch" in state.get("Resource", "")]
    assert len(batch) == 7
    for state in batch:
        assert state["Resource"].endswith("batch:submitJob.sync")
        assert re.match(r"States\.Format\('\{\}-(\w+)(-\{\})?', \$\.job_id", state["Parameters"]["JobName.$"])


def test_what_a_stage_answers_stays_out_of_the_state(graphs):
    for name, state in all_states(graphs):
        if state["Type"] in {"Task", "Map"} and state.get("ResultPath", "$") is not None:
            assert "ResultSelector" in state, name


def test_substitutions_are_those_of_the_template(definition_text, resources):
    used = set(re.findall(r"\$\{(\w+)\}", definition_text))
    given = resources["ProcessVideoStateMachine"]["Properties"]["DefinitionSubstitutions"]
    assert used == set(given)


def test_no_aliases_which_cloudformation_does_not_read(definition_text):
    lines = [line for line in definition_text.splitlines() if not line.lstrip().startswith("#")]
    assert not [line for line in lines if re.search(r":\s+[&*]\w", line)]


def linted(definition: dict[str, Any], substitutions: dict[str, Any], path: Path) -> str:
    """Return what cfn-lint says of the definition inside of a template's resource."""
    properties = {
        "RoleArn": "arn:aws:iam::123456789012:role/states",
        "Definition": definition,
        "DefinitionSubstitutions": dict.fromkeys(substitutions, "arn:aws:service:eu-central-1:123456789012:thing"),
    }
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    path.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Machine": machine}}))
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    return subprocess.run([cfn_lint, path], capture_output=True, text=True, check=False).stdout


def test_cfn_lint_is_content_with_the_definition_in_its_resource(definition, resources, tmp_path):
    substitutions = resources["ProcessVideoStateMachine"]["Properties"]["DefinitionSubstitutions"]
    assert linted(definition, substitutions, tmp_path / "machine.json") == ""
    # It does look inside: a Map without its states is found.
    many = {**definition["States"]["ManySegments"], "ItemProcessor": {"StartAt": "Erase"}}
    broken = {**definition, "States": {**definition["States"], "ManySegments": many}}
    assert "E3601" in linted(broken, substitutions, tmp_path / "broken.json")
