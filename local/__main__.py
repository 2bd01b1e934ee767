"""``python -m local serve`` keeps the service up; ``python -m local run`` takes one video through it."""

from __future__ import annotations

import sys

from local.cli import main

sys.exit(main(sys.argv[1:]))
