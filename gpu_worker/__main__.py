"""``python -m gpu_worker``: the container's entry, and a command line for one machine."""

import sys

from gpu_worker.cli import main

# Processes that are started from here import this file again.
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
