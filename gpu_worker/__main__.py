"""``python -m gpu_worker``: the container's entry, and a command line for one machine."""

import sys

from gpu_worker.cli import main

sys.exit(main(sys.argv[1:]))
