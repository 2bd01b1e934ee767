"""The worker tells nobody of its work: onnxruntime's telemetry is off before it is loaded."""

import os
import subprocess
import sys
from pathlib import Path

OPEN_A_NETWORK = """
from gpu_worker.inference.model_store import list_models
from gpu_worker.inference.session import Device, open_session
open_session(list_models()[0].name, Device.CPU)
"""


def test_opening_a_network_leaves_no_trace_in_the_home_folder(tmp_path: Path) -> None:
    # Telemetry keeps an ID and its unsent events there. Of the environment only what is needed: onnxruntime is quiet
    # by itself where it sees a test or a CI.
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([".", "functions"])}
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", OPEN_A_NETWORK], cwd=root, env=environment, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []
