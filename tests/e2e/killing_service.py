"""Serves the real functions with a worker that is killed again and again (killed_worker.py); says when it is ready."""

import sys
import threading
from pathlib import Path

from local.service import Service, ServiceOptions

WORKER = (sys.executable, "-m", "tests.e2e.killed_worker")

if __name__ == "__main__":
    with Service(ServiceOptions(Path(sys.argv[1]), worker_entry_point=WORKER)):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        threading.Event().wait()
