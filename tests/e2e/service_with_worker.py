"""Serves the real functions with another worker than the image's; says when it is ready.

Arguments: a folder, and the worker's module and what it is given before the stage's own arguments.
"""

import sys
import threading
from pathlib import Path

from local.service import Service, ServiceOptions

if __name__ == "__main__":
    with Service(ServiceOptions(Path(sys.argv[1]), worker_entry_point=(sys.executable, "-m", *sys.argv[2:]))):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        threading.Event().wait()
