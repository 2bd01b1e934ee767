"""The images: pulled where a registry can be reached, built from Debian's packages where none can."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from local.containers.engine import Engine, EngineError, EngineUnavailableError
from local.processes import REPOSITORY

LAMBDA_IMAGE = "smart-erase/lambda-python:3.11"
WORKER_IMAGE = "smart-erase/worker:cpu"
_DEBIAN_IMAGE = "smart-erase/debian-python:3.11"
_PULLED_LAMBDA = "public.ecr.aws/lambda/python:3.11-x86_64"
_PULLED_PYTHON = "python:3.11-slim-bookworm"
_DEBIAN_RELEASE = "bookworm"
_DEBIAN_PACKAGES = "python3-minimal,libpython3-stdlib,python3-venv,ca-certificates"
_PULL_SECONDS = 600
_BUILD_SECONDS = 1800


def provide_lambda_image(engine: Engine) -> str:
    """Return the image that Lambda functions run in; made when it is not there."""
    if not _is_there(engine, LAMBDA_IMAGE):
        if _pull(engine, _PULLED_LAMBDA):
            engine.call("tag", _PULLED_LAMBDA, LAMBDA_IMAGE)
        else:
            arguments = {"BASE_IMAGE": _provide_debian(engine)}
            _build(engine, "local/containers/lambda_runtime/Dockerfile", LAMBDA_IMAGE, arguments)
    return LAMBDA_IMAGE


def build_worker_image(engine: Engine) -> str:
    """Build the worker's image for the CPU; what has not changed comes from the builder's cache."""
    has_python = _is_there(engine, _PULLED_PYTHON) or _pull(engine, _PULLED_PYTHON)
    base = _PULLED_PYTHON if has_python else _provide_debian(engine)
    _build(engine, "gpu_worker/Dockerfile", WORKER_IMAGE, {"BASE_IMAGE": base, "DEVICE": "cpu"})
    return WORKER_IMAGE


def _is_there(engine: Engine, image: str) -> bool:
    return bool(engine.call("images", "--quiet", image))


def _pull(engine: Engine, image: str) -> bool:
    with contextlib.suppress(EngineError):
        engine.call("pull", "--quiet", image, timeout_seconds=_PULL_SECONDS)
        return True
    return False


def _provide_debian(engine: Engine) -> str:
    """Return an image of Debian with its Python 3.11, made from packages of Debian's mirrors."""
    if _is_there(engine, _DEBIAN_IMAGE):
        return _DEBIAN_IMAGE
    program = shutil.which("mmdebstrap")
    if program is None:
        raise EngineUnavailableError(
            f"{_PULLED_PYTHON} cannot be pulled, and mmdebstrap, which could replace it, is missing"
        )
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "debian.tar"
        done = subprocess.run(  # noqa: S603 - Debian's own tool
            [program, "--variant=minbase", f"--include={_DEBIAN_PACKAGES}", _DEBIAN_RELEASE, str(archive)],
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise EngineUnavailableError(f"mmdebstrap: {done.stderr.strip()[-2000:]}")
        engine.call("import", str(archive), _DEBIAN_IMAGE)
    return _DEBIAN_IMAGE


def _build(engine: Engine, dockerfile: str, image: str, arguments: Mapping[str, str]) -> None:
    given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    lent = [part for name, path in _lent_files().items() for part in ("--secret", f"id={name},src={path}")]
    engine.call(
        *("build", "--network", "host", "--file", str(REPOSITORY / dockerfile), "--tag", image),
        *given,
        *lent,
        str(REPOSITORY),
        timeout_seconds=_BUILD_SECONDS,
    )


def _lent_files() -> dict[str, Path]:
    """Return what pip has to know to reach its index from this machine: its settings, and whom to trust."""
    settings = [os.environ.get("PIP_CONFIG_FILE"), "/etc/pip.conf"]
    trusted = [os.environ.get(name) for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")]
    wanted = {"pip": settings, "certificates": [*trusted, "/etc/ssl/certs/ca-certificates.crt"]}
    return {
        name: found[0]
        for name, places in wanted.items()
        if (found := [path for place in places if place and (path := Path(place)).is_file()])
    }
