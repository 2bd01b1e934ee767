"""Runs Batch jobs as processes: the job definition's entry point and command, its retries, its timeout, its end."""

from __future__ import annotations

import fnmatch
import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from domain.scheduling import Scheduling
from local.processes import ManagedProcess, ProcessHost

if TYPE_CHECKING:
    from moto.batch.models import Job

logger = logging.getLogger(__name__)

#: Time that a worker has to end by itself after SIGTERM; Batch gives a container 30 s.
TERMINATION_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.1
#: What Batch says of a container that ended by itself, whatever its exit code.
_ENDED_REASON = "Essential container in task exited"
_TIMED_OUT_REASON = "Job attempt duration exceeded timeout"
#: What ends a worker as if its machine had been taken away: the signal by which a machine tells that its power fails.
HOST_LOST_SIGNAL = signal.SIGPWR
_HOST_LOST_REASON = "Host EC2 (instance i-00000000000000000) terminated."


class Worker(Protocol):
    """How a job's container is started, or stood in for."""

    def start(
        self, host: ProcessHost, name: str, arguments: Sequence[str], own: Mapping[str, str], log: Path
    ) -> ManagedProcess:
        """Start one attempt; ``arguments`` follow the image's entry point, ``own`` is the job's environment."""

    def clear(self, name: str) -> None:
        """Remove what an attempt left behind; its process has ended."""


@dataclass(frozen=True)
class ProcessWorker:
    """Stands in for a container with a process: the image's entry point, its folder and what its environment holds."""

    entry_point: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]

    def start(
        self, host: ProcessHost, name: str, arguments: Sequence[str], own: Mapping[str, str], log: Path
    ) -> ManagedProcess:
        """Start one attempt as a process."""
        return host.start_command(
            name, argv=[*self.entry_point, *arguments], env={**self.environment, **own}, folder=self.folder, log=log
        )

    def clear(self, name: str) -> None:
        """Do nothing: the process host ends a process with its whole group."""


class BatchJobs:
    """Runs jobs, at most ``slots`` at a time; the others stay RUNNABLE.

    As in Batch's fair-share queues, the share that has the least at work comes next; in it the highest priority; and
    of equals the first that came.
    """

    def __init__(self, worker: Worker, host: ProcessHost, log_folder: Path, slots: int) -> None:
        self._worker = worker
        self._host = host
        self._log_folder = log_folder
        self._slots = slots
        self._turn = threading.Condition()
        self._waiting: dict[str, Scheduling] = {}  # in the order in which they came
        self._running: dict[str, Scheduling] = {}

    def run(self, job: Job, scheduling: Scheduling) -> None:
        """Take one job through its life; called on the thread that moto made for it."""
        job.status = "RUNNABLE"
        if self._wait_for_a_slot(job, scheduling):
            try:
                self._run_attempts(job)
            finally:
                with self._turn:
                    del self._running[job.job_id]
                    self._turn.notify_all()
        else:
            job._mark_stopped(success=False)  # noqa: SLF001

    def _wait_for_a_slot(self, job: Job, scheduling: Scheduling) -> bool:
        with self._turn:
            self._waiting[job.job_id] = scheduling
            while not job.stop and (len(self._running) >= self._slots or self._next() != job.job_id):
                self._turn.wait(_POLL_SECONDS)
            del self._waiting[job.job_id]
            if not job.stop:
                self._running[job.job_id] = scheduling
            self._turn.notify_all()
            return not job.stop

    def _next(self) -> str:
        at_work = Counter(running.share for running in self._running.values())
        return min(self._waiting, key=lambda id_: (at_work[self._waiting[id_].share], -self._waiting[id_].priority))

    def _run_attempts(self, job: Job) -> None:
        strategy: Mapping[str, Any] = job.job_definition.retry_strategy or {}
        attempts = int(strategy.get("attempts", 1))
        for attempt in range(1, attempts + 1):
            reason = self._run_once(job)
            # Batch asks its rules only of attempts that ended by themselves.
            if job.exit_code == 0 or job.stop or attempt == attempts or reason == _TIMED_OUT_REASON:
                break
            if action_after(strategy.get("evaluateOnExit", []), job.exit_code, reason) == "EXIT":
                break
            logger.warning("batch job %s: attempt %d of %d failed: %s", job.job_name, attempt, attempts, reason)
        job.job_stopped_reason = job.job_stopped_reason if job.stop else reason
        job._mark_stopped(success=job.exit_code == 0 and not job.stop)  # noqa: SLF001

    def _run_once(self, job: Job) -> str:
        """Run one attempt and return what Batch would call its status reason."""
        job.status = "STARTING"
        job.job_started_at = datetime.now()  # noqa: DTZ005 - moto subtracts local times
        job._start_attempt()  # noqa: SLF001
        log = self._log_folder / f"{job.job_name}-{job.job_id}.log"
        job.log_stream_name = log.name
        arguments = [str(part) for part in job._get_container_property("command", [])]  # noqa: SLF001
        name = f"batch-{job.job_id}-{len(job.attempts)}"
        process = self._worker.start(self._host, name, arguments, _environment_of(job), log)
        job.status = "RUNNING"
        limit = job._get_attempt_duration()  # noqa: SLF001
        reason = _wait_for_end(job, process, time.monotonic() + limit if limit else None)
        job.exit_code = process.wait()
        if job.exit_code == 128 + HOST_LOST_SIGNAL and reason == _ENDED_REASON:
            # Of a machine that is gone nobody hears how its container ended.
            job.exit_code, reason = None, _HOST_LOST_REASON
        self._worker.clear(name)
        if job.latest_attempt is not None:
            job.latest_attempt["container"]["exitCode"] = job.exit_code
            job.latest_attempt["statusReason"] = reason
            job.job_stopped_at = datetime.now()  # noqa: DTZ005 - as above
            job._stop_attempt()  # noqa: SLF001
        return reason


def _environment_of(job: Job) -> dict[str, str]:
    own = {item["name"]: str(item["value"]) for item in job._get_container_property("environment", [])}  # noqa: SLF001
    return {
        **own,
        "AWS_BATCH_JOB_ID": job.job_id,
        "AWS_BATCH_JOB_ATTEMPT": str(len(job.attempts)),
        "AWS_BATCH_JQ_NAME": job.job_queue.name,
    }


def _wait_for_end(job: Job, process: ManagedProcess, deadline: float | None) -> str:
    while process.wait(_POLL_SECONDS) is None:
        if job.stop:
            process.terminate(TERMINATION_GRACE_SECONDS)
            return job.job_stopped_reason or "Job terminated"
        if deadline is not None and time.monotonic() > deadline:
            process.terminate(TERMINATION_GRACE_SECONDS)
            return _TIMED_OUT_REASON
    return _ENDED_REASON


def action_after(
    rules: Sequence[Mapping[str, Any]], exit_code: int | None, reason: str, container_reason: str = ""
) -> str:
    """Return ``RETRY`` or ``EXIT``: the first rule whose conditions all match decides, without one Batch retries."""
    facts = {"onExitCode": str(exit_code), "onStatusReason": reason, "onReason": container_reason}
    for rule in rules:
        conditions = {name: pattern for name, pattern in rule.items() if name in facts}
        if all(fnmatch.fnmatchcase(facts[name], pattern) for name, pattern in conditions.items()):
            return str(rule["action"]).upper()
    return "RETRY"
