"""Serves the real template and state machine with fake functions and a fake worker, until it is ended.

Arguments: a folder, the longest time of a stage in seconds, and the worker's command line.

A process of its own, because moto and its mends act on a whole process, and other tests use moto as it comes.
"""

import sys
import threading
from pathlib import Path

from local.service import Service, ServiceOptions

FAKES = Path(__file__).resolve().parent / "fakes"

if __name__ == "__main__":
    options = ServiceOptions(
        Path(sys.argv[1]),
        functions_folder=FAKES,
        worker_entry_point=(sys.executable, *sys.argv[3:]),
        batch_slots=2,
        parameters={"StageTimeoutSeconds": sys.argv[2]},
    )
    with Service(options):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        threading.Event().wait()
