"""The real state machine, executed by the local engine; its functions and its worker are fakes and do as told.

A job's ID says what happens: ``erase-exit2_segment-1`` lets the erase stage of segment 1 end with exit code 2.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.statemachine.conftest import Engine, served, wait_until_gone


def workers(records: dict[str, bytes]) -> list[str]:
    return sorted(name for name in records if name.startswith("worker-"))


def failures(records: dict[str, bytes]) -> list[Any]:
    """What the state RecordFailure was given; the rule on an execution's end tells the same function later."""
    told = [json.loads(content) for name, content in records.items() if name.startswith("failure-")]
    return [failure for failure in told if not failure["Error"].startswith("Execution.")]


def test_all_stages_run_once_and_the_result_is_recorded(engine: Engine) -> None:
    ended = engine.run("all-well")
    records = engine.records("all-well")
    assert ended["status"] == "SUCCEEDED"
    assert workers(records) == [
        "worker-assemble-0-attempt1",
        "worker-detect-0-attempt1",
        "worker-erase-0-attempt1",
        "worker-erase-1-attempt1",
        "worker-upscale-0-attempt1",
        "worker-upscale-1-attempt1",
    ]
    assert "succeeded" in records
    assert failures(records) == []


def test_an_erase_alone_skips_the_upscale(engine: Engine) -> None:
    assert engine.run("noupscale-1")["status"] == "SUCCEEDED"
    assert not any("upscale" in name for name in workers(engine.records("noupscale-1")))


def test_a_preview_is_one_stage_and_its_result_is_recorded(engine: Engine) -> None:
    assert engine.run("preview-yes")["status"] == "SUCCEEDED"
    records = engine.records("preview-yes")
    assert workers(records) == ["worker-preview-0-attempt1"]
    assert "succeeded" in records


def test_a_preview_that_fails_is_recorded_as_failed(engine: Engine) -> None:
    assert engine.run("preview-exit2")["status"] == "FAILED"
    assert len(failures(engine.records("preview-exit2"))) == 1


def test_the_same_name_starts_one_execution_only(engine: Engine) -> None:
    first = engine.start("same-name")
    assert engine.start("same-name") == first
    assert engine.wait(first)["status"] == "SUCCEEDED"
    assert workers(engine.records("same-name")).count("worker-detect-0-attempt1") == 1


def test_the_description_of_a_batch_job_does_not_grow_with_how_often_it_is_asked_for(engine: Engine) -> None:
    engine.run("asked-often")
    batch = engine.client("batch")
    queue = batch.describe_job_queues()["jobQueues"][0]["jobQueueName"]
    jobs = batch.list_jobs(jobQueue=queue, jobStatus="SUCCEEDED")["jobSummaryList"]
    (detect,) = [job["jobId"] for job in jobs if job["jobName"] == "asked-often-detect"]
    first, *later = (batch.describe_jobs(jobs=[detect])["jobs"][0]["container"]["environment"] for _ in range(4))
    assert later == [first] * 3
    names = [item["name"] for item in first]
    assert sorted(names) == sorted(set(names))
    assert {"MANAGED_BY_AWS", "AWS_BATCH_JOB_ID"} <= set(names)


def test_a_function_s_error_keeps_its_name(engine: Engine) -> None:
    ended = engine.run("probe-raises")
    assert (ended["status"], ended["error"]) == ("FAILED", "UnreadableVideoError")
    (failure, *_) = failures(engine.records("probe-raises"))
    assert json.loads(failure["Cause"])["errorMessage"] == "the file is not a video"
    assert workers(engine.records("probe-raises")) == []


def test_a_function_s_process_that_dies_fails_the_job_and_is_replaced(engine: Engine) -> None:
    assert engine.run("probe-dies")["error"] == "Runtime.ExitError"
    assert engine.run("after-the-death")["status"] == "SUCCEEDED"


def test_a_bad_input_is_not_tried_again_and_its_exit_code_reaches_the_cause(engine: Engine) -> None:
    ended = engine.run("erase-exit2_segment-1")
    records = engine.records("erase-exit2_segment-1")
    assert ended["status"] == "FAILED"
    assert "worker-erase-1-attempt1" in workers(records)
    assert not any("attempt2" in name or "assemble" in name for name in workers(records))
    cause = json.loads(failures(records)[0]["Cause"])
    assert cause["Container"]["ExitCode"] == 2
    assert cause["Status"] == "FAILED"
    assert cause["StatusReason"] == "Essential container in task exited"


def test_a_crash_is_not_tried_again(engine: Engine) -> None:
    assert engine.run("detect-exit1")["status"] == "FAILED"
    records = engine.records("detect-exit1")
    assert workers(records) == ["worker-detect-0-attempt1"]
    assert json.loads(failures(records)[0]["Cause"])["Attempts"][0]["Container"]["ExitCode"] == 1


@pytest.mark.parametrize("stage", ["detect", "erase", "upscale", "assemble"])
def test_a_worker_that_is_killed_twice_is_started_a_third_time(engine: Engine, stage: str) -> None:
    job_id = f"{stage}-killed2"
    assert engine.run(job_id)["status"] == "SUCCEEDED"
    attempts = [name for name in workers(engine.records(job_id)) if name.startswith(f"worker-{stage}-0")]
    assert attempts == [f"worker-{stage}-0-attempt{number}" for number in (1, 2, 3)]


def test_a_worker_that_is_killed_each_time_fails_its_job(engine: Engine) -> None:
    assert engine.run("detect-killed9")["status"] == "FAILED"
    records = engine.records("detect-killed9")
    assert len(workers(records)) == 4
    assert json.loads(failures(records)[0]["Cause"])["Container"]["ExitCode"] == 137


def queues(records: dict[str, bytes], stage: str) -> list[str]:
    """Return into which queues a stage was submitted, one after the other, without the stack's name."""
    names = sorted(name for name in records if name.startswith(f"queue-{stage}-"))
    return [records[name].decode().rpartition("-")[2] for name in names]


@pytest.mark.parametrize("stage", ["detect", "erase", "upscale", "assemble"])
def test_work_whose_machine_is_taken_away_goes_on_elsewhere_in_the_end_without_spot(engine: Engine, stage: str) -> None:
    job_id = f"{stage}-reclaimed2"
    assert engine.run(job_id)["status"] == "SUCCEEDED"
    records = engine.records(job_id)
    assert queues(records, f"{stage}-0") == ["JobQueue", "JobQueue", "OnDemandJobQueue"]
    assert failures(records) == []


def test_a_job_whose_machines_are_all_taken_away_fails_after_the_last_queue(engine: Engine) -> None:
    assert engine.run("preview-reclaimed9")["status"] == "FAILED"
    records = engine.records("preview-reclaimed9")
    assert queues(records, "preview-0") == ["JobQueue", "JobQueue", "OnDemandJobQueue", "OnDemandJobQueue"]
    assert json.loads(failures(records)[0]["Cause"])["StatusReason"].startswith("Host EC2 (instance ")


@pytest.mark.parametrize("code", [1, 2])
def test_a_crash_or_a_bad_input_stays_one_also_on_another_machine(engine: Engine, code: int) -> None:
    job_id = f"detect-reclaimed1exit{code}"
    assert engine.run(job_id)["status"] == "FAILED"
    records = engine.records(job_id)
    assert queues(records, "detect-0") == ["JobQueue", "JobQueue"]
    assert json.loads(failures(records)[0]["Cause"])["Container"]["ExitCode"] == code


@pytest.mark.parametrize("pieces", [4, 41])
def test_at_most_as_many_pieces_are_submitted_at_a_time_as_the_plan_allows(engine: Engine, pieces: int) -> None:
    job_id = f"noupscale-1_pieces-{pieces}_parallel-2"
    ended = engine.run(job_id)
    assert ended["status"] == "SUCCEEDED"
    jobs = [job for job in _finished_batch_jobs(engine) if job["jobName"].startswith(f"{job_id}-erase-")]
    assert len(jobs) == pieces
    times = [(job["createdAt"], job["stoppedAt"]) for job in jobs]
    assert max(sum(start <= moment < end for start, end in times) for moment, _ in times) == 2
    history = engine.client("stepfunctions").get_execution_history(executionArn=ended["executionArn"])["events"]
    # Those of many pieces have a history of their own.
    assert any(event["type"] == "MapRunSucceeded" for event in history) == (pieces > 40)
    assert any(event["type"] == "MapIterationSucceeded" for event in history) == (pieces <= 40)


def test_one_of_many_pieces_that_fails_fails_the_job_with_its_own_error(engine: Engine) -> None:
    job_id = "erase-exit2_segment-1_pieces-41_parallel-2"
    assert engine.run(job_id)["error"] == "States.ExceedToleratedFailureThreshold"
    records = engine.records(job_id)
    assert not any("assemble" in name for name in workers(records))
    causes = [json.loads(failure["Cause"]) for failure in failures(records) if failure["Cause"].startswith("{")]
    assert [cause["Container"]["ExitCode"] for cause in causes] == [2]


def _finished_batch_jobs(engine: Engine) -> list[Any]:
    batch = engine.client("batch")
    queue = batch.describe_job_queues()["jobQueues"][0]["jobQueueName"]
    found = [job["jobId"] for job in batch.list_jobs(jobQueue=queue, jobStatus="SUCCEEDED")["jobSummaryList"]]
    return [job for job_id in found for job in batch.describe_jobs(jobs=[job_id])["jobs"]]


def test_a_call_that_the_service_failed_is_tried_again(engine: Engine) -> None:
    assert engine.run("probe-flaky")["status"] == "SUCCEEDED"
    assert sorted(name for name in engine.records("probe-flaky") if name.startswith("probe")) == ["probe-1", "probe-2"]


@pytest.mark.parametrize("stage", ["erase", "upscale"])
def test_stopping_an_execution_ends_the_worker_of_a_piece(engine: Engine, stage: str) -> None:
    job_id = f"{stage}-hang_kind-stopped"
    execution = engine.start(job_id)
    child = int(engine.wait_for_record(job_id, "child"))
    worker = int(engine.wait_for_record(job_id, f"worker-{stage}-0"))
    engine.client("stepfunctions").stop_execution(executionArn=execution, cause="cancelled by its owner")
    # AWS tells of the abort, the local engine of the Map whose piece was ended.
    assert engine.wait(execution)["status"] in {"ABORTED", "FAILED"}
    assert wait_until_gone(worker, child)


@pytest.mark.parametrize("stage", ["detect", "assemble"])
def test_stopping_an_execution_ends_its_worker_and_the_worker_s_children(engine: Engine, stage: str) -> None:
    job_id = f"{stage}-hang_kind-stopped"
    execution = engine.start(job_id)
    child = int(engine.wait_for_record(job_id, "child"))
    worker = int(engine.wait_for_record(job_id, f"worker-{stage}-0"))
    engine.client("stepfunctions").stop_execution(executionArn=execution, cause="cancelled by its owner")
    assert engine.wait(execution)["status"] == "ABORTED"
    assert wait_until_gone(worker, child)
    # An aborted execution passes no Catch: the rule on its end is what tells the job.
    told = json.loads(engine.wait_for_record(job_id, "failure-"))
    assert told["Error"] == "Execution.ABORTED"


def test_a_stage_that_runs_over_its_time_is_killed(tmp_path: Path) -> None:
    # An engine of its own: its stages' time is short, and only a worker without an end may run into it.
    note = tmp_path / "pid"
    with served(tmp_path / "engine", 4, "endless_worker.py", str(note)) as engine:
        assert engine.run("slow")["status"] == "FAILED"
        cause = json.loads(failures(engine.records("slow"))[0]["Cause"])
        assert cause["StatusReason"] == "Job attempt duration exceeded timeout"
        assert wait_until_gone(int(note.read_text()))


def test_a_terminated_batch_job_gives_its_slot_to_the_next(engine: Engine) -> None:
    batch = engine.client("batch")
    queue = batch.describe_job_queues()["jobQueues"][0]["jobQueueName"]
    definition = batch.describe_job_definitions()["jobDefinitions"][0]["jobDefinitionArn"]
    order = {"Bucket": engine.facts["bucket"], "Key": "jobs/slots/work_order.json"}
    engine.client("s3").put_object(**order, Body=b'{"detect": "wait"}')
    waits = ["run", "--work-order", f"s3://{order['Bucket']}/{order['Key']}", "--stage", "detect"]

    def submit(name: str, *command: str) -> str:
        overrides = {"containerOverrides": {"command": list(command)}} if command else {}
        job_id: str = batch.submit_job(jobName=name, jobQueue=queue, jobDefinition=definition, **overrides)["jobId"]
        return job_id

    def ended(job_id: str) -> str:
        """Wait for the end of a job, and return its reason."""
        deadline = time.monotonic() + 120
        while (job := batch.describe_jobs(jobs=[job_id])["jobs"][0])["status"] not in {"SUCCEEDED", "FAILED"}:
            assert time.monotonic() < deadline, job
            time.sleep(0.1)
        return str(job["statusReason"])

    # Two without an end hold both slots; behind them one that is not wanted, and one that ends at once for want of
    # a work order.
    holders = [submit(f"slot-{number}", *waits) for number in range(2)]
    unwanted, last = submit("slot-2"), submit("slot-3")
    batch.terminate_job(jobId=unwanted, reason="not wanted")
    assert ended(unwanted) == "not wanted"
    batch.terminate_job(jobId=holders[0], reason="its turn is over")
    assert ended(last) == "Essential container in task exited"
    assert ended(holders[0]) == "its turn is over"
    assert batch.describe_jobs(jobs=[holders[1]])["jobs"][0]["status"] not in {"SUCCEEDED", "FAILED"}
    batch.terminate_job(jobId=holders[1], reason="its turn is over")
    assert ended(holders[1]) == "its turn is over"


def test_owners_take_turns_and_priority_decides_between_the_jobs_of_one(engine: Engine) -> None:
    batch = engine.client("batch")
    order = {"Bucket": engine.facts["bucket"], "Key": "jobs/turns/work_order.json"}
    engine.client("s3").put_object(**order, Body=b'{"detect": "wait"}')
    waits = ["run", "--work-order", f"s3://{order['Bucket']}/{order['Key']}", "--stage", "detect"]

    def submit(name: str, share: str, priority: int, *command: str) -> str:
        job_id: str = batch.submit_job(
            jobName=name,
            jobQueue=batch.describe_job_queues()["jobQueues"][0]["jobQueueName"],
            jobDefinition=batch.describe_job_definitions()["jobDefinitions"][0]["jobDefinitionArn"],
            shareIdentifier=share,
            schedulingPriorityOverride=priority,
            **({"containerOverrides": {"command": list(command)}} if command else {}),
        )["jobId"]
        return job_id

    # Both slots are held by one owner; behind them wait two more jobs of its own, the second more urgent, and one of
    # somebody else's. Those end at once, one after the other, when one slot is free.
    holders = [submit(f"holder-{number}", "first", 0, *waits) for number in range(2)]
    later, sooner = submit("later", "first", 1), submit("sooner", "first", 9)
    other = submit("other", "second", 0)
    batch.terminate_job(jobId=holders[0], reason="its turn is over")

    def described() -> dict[str, Any]:
        return {job["jobId"]: job for job in batch.describe_jobs(jobs=[later, sooner, other])["jobs"]}

    deadline = time.monotonic() + 120
    while {job["status"] for job in described().values()} != {"FAILED"}:
        assert time.monotonic() < deadline, described()
        time.sleep(0.1)
    batch.terminate_job(jobId=holders[1], reason="its turn is over")
    ended = described()
    assert sorted(ended, key=lambda job_id: ended[job_id]["startedAt"]) == [other, sooner, later]
