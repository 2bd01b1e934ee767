"""Everything that the service with containers needs before it starts: an engine, images, and what SAM builds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from local.containers.engine import running_engine
from local.containers.images import build_worker_image, provide_lambda_image
from local.containers.sam import Sam
from local.containers.service import Parts

_Made = TypeVar("_Made")


@contextlib.contextmanager
def prepared(sam_program: Path, folder: Path, tell: Callable[[str, float], None]) -> Iterator[Parts]:
    """Give the parts of a service, made where they are not there; ``tell`` hears of each how many seconds it took.

    ``folder`` keeps what the next start can use again: images, and what SAM has built.

    Raises:
        EngineUnavailableError: there is no Docker engine, and none can be started; or an image can be neither pulled
            nor built.
        EngineError: an image cannot be built.
        SamError: SAM cannot build the functions.
    """

    def timed(name: str, make: Callable[[], _Made]) -> _Made:
        started = time.monotonic()
        made = make()
        tell(name, time.monotonic() - started)
        return made

    sam = Sam(sam_program, folder / "sam-build")
    with contextlib.ExitStack() as stack:
        engine = timed("Docker engine", lambda: stack.enter_context(running_engine(folder / "engine")))
        timed("sam build", sam.build)
        lambda_image = timed("Lambda image", lambda: provide_lambda_image(engine))
        worker_image = timed("worker image", lambda: build_worker_image(engine))
        yield Parts(engine, sam, lambda_image, worker_image)
