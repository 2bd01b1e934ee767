"""``python -m local serve`` keeps the service up, ``run`` takes one video through it, ``keys`` says who may call."""

from __future__ import annotations

import sys

from local.cli import main

sys.exit(main(sys.argv[1:]))
