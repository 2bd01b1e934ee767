"""The real worker, halted in one stage, which has written everything but its mark.

Arguments: a file that holds the stage's name, and the worker's own.
"""

import re
import sys
import time
from pathlib import Path

import boto3

from gpu_worker.cli import main
from tests.e2e.killed_worker import MARKS


def halt_before_mark() -> None:
    def look(params: dict, **_facts: object) -> None:
        if re.search(MARKS, params["url_path"]):
            time.sleep(600)

    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register("before-call.s3.PutObject", look)


if __name__ == "__main__":
    wish, *arguments = sys.argv[1:]
    if arguments[arguments.index("--stage") + 1] == Path(wish).read_text():
        halt_before_mark()
    sys.exit(main(arguments))
