"""Stands in for a worker without an end: notes its process ID in the file that it is given, and waits."""

import os
import sys
import time
from pathlib import Path

Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(600)
