import subprocess
import sys

import pytest

from domain.job import Stage
from domain.progress import StageProgress
from gpu_worker.stages.job import Progress, StageJob

HANGS = """
with Heartbeat(1):
    # One that holds the lock of the interpreter.
    ctypes.PyDLL(None).sleep(60)
"""
WORKS = """
with Heartbeat(4) as heartbeat:
    for _ in range(6):
        time.sleep(1)
        heartbeat.beat()
time.sleep(5)
"""


@pytest.mark.parametrize(("work", "code"), [(HANGS, 1), (WORKS, 0)])
def test_who_gives_no_sign_of_life_is_ended_and_says_where_it_hangs(work, code):
    program = f"import ctypes, time\nfrom gpu_worker.heartbeat import Heartbeat\n{work}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == code
    assert ("Timeout (0:00:01)!" in done.stderr) == (code == 1)


def test_work_without_frames_of_its_own_says_again_how_far_it_is():
    reports: list[StageProgress] = []
    seconds = iter(range(0, 100, 10))
    progress = Progress(
        StageJob(None, None, reports.append),
        Stage.DETECT,
        0,
        40,
        clock=lambda: next(seconds),
    )
    progress.advance_to(30)
    progress.go_on()
    assert [report.done for report in reports] == [30, 30]
