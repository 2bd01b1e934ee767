"""The state machine's graph: what SAM's lint does not look into."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

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


def test_every_failure_ends_in_record_failure_and_red(graphs):
    outer, inner = graphs
    for name, state in outer.states.items():
        for catch in state.get("Catch", ()):
            assert catch["Next"] == ("Failed" if name == "RecordFailure" else "RecordFailure")
    assert outer.states["RecordFailure"]["Next"] == "Failed"
    assert {state["Type"] for state in inner.states.values() if state.get("ErrorPath")} == {"Fail"}


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
    assert len(batch) == 5
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
