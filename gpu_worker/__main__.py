"""``python -m gpu_worker``: the container's entry, and a command line for one machine."""

import sys

# Processes that are started from here import this file again, and need nothing of the command line.
if __name__ == "__main__":
    from gpu_worker.cli import main

    sys.exit(main(sys.argv[1:]))
