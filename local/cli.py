"""The command line of the local service: arguments in, exit code out, one line for what went wrong."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.client import ApiClient, ApiError
from local.one_job import JobFailedError, Wishes, take_through
from local.ports import PortTakenError
from local.processes import REPOSITORY
from local.template import TemplateError

if TYPE_CHECKING:
    from local.installation import Installation
    from local.service import Service, ServiceOptions

_EXIT_DONE = 0
_EXIT_CRASH = 1
_EXIT_BAD_INPUT = 2
_EXIT_INTERRUPTED = 130
_DATA = REPOSITORY / "build" / "local"
#: Images, and what SAM builds: kept for the next start.
_CONTAINERS = REPOSITORY / "build" / "containers"
#: How long the logs of a run that failed are kept.
_KEPT_SECONDS = 24 * 3600
_SCOPES = ["read", "write"]
_QUOTAS = ("jobs_in_flight", "minutes_per_month", "requests_per_second", "pieces_at_once")


class UsageError(Exception):
    """Raised when an argument cannot be used; the message is one line for the user."""


def main(arguments: list[str]) -> int:
    """Run one command and return the exit code: 0 done, 2 bad input or a failed job, 1 a defect, 130 interrupted."""
    options = _parser().parse_args(arguments)
    # SIGINT too: a shell that starts a program in the background has it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _as_interrupt)
    try:
        _COMMANDS[options.command](options)
    except (UsageError, PortTakenError, TemplateError, JobFailedError) as error:
        return _fail(str(error), _EXIT_BAD_INPUT)
    except ApiError as error:
        return _fail(f"{error.code}: {error.message}", _EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        return _fail("stopped", _EXIT_INTERRUPTED)
    except Exception as error:
        import logging  # noqa: PLC0415

        logging.getLogger("local").exception("the local service failed")
        return _fail(f"unexpected {type(error).__name__}: {error}", _EXIT_CRASH)
    return _EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="keep the service up on loopback")
    serve.add_argument("--port", type=int, default=0, help="port of the API; 0 takes a free one")
    serve.add_argument("--data", type=Path, help="folder for logs and objects")
    serve.add_argument(
        "--sam",
        type=Path,
        metavar="PROGRAM",
        help="run functions through this SAM command line and Batch jobs in real containers; needs Docker",
    )
    serve.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="parameter of the template, repeatable"
    )
    run = commands.add_parser("run", help="take one video through the service")
    run.add_argument("--video", default="", help="the video; a demo clip is drawn when none is given")
    run.add_argument("--erase", default="", help="what to remove: captions, icons, or captions,icons")
    region = "X,Y,WIDTH,HEIGHT as fractions of the picture; at most two"
    run.add_argument("--region", action="append", default=[], help=f"where captions are: {region}")
    run.add_argument("--icon-region", action="append", default=[], help=f"where icons are: {region}")
    run.add_argument("--icon-kinds", default="", help="which icons to remove: tv, internet, or tv,internet")
    run.add_argument("--quality", default="", help="of an erase: normal or premium")
    run.add_argument("--upscale", default="", help="factor: 2")
    run.add_argument("--upscale-quality", default="", help="auto, fast, normal or premium")
    run.add_argument("--bitrate-mbps", default="", help="video bitrate of an upscaled output, 1 to 100")
    run.add_argument("--out", default="", help="folder for the result (default: out)")
    run.add_argument("--data", type=Path, help="folder for logs and objects")
    _add_keys(commands.add_parser("keys", help="make, list and revoke access keys"))
    callbacks = commands.add_parser("callbacks", help="send again what nobody took")
    redrive = callbacks.add_subparsers(dest="action", required=True).add_parser(
        "redrive", help="hand undelivered callbacks back to their queue"
    )
    _add_installation(redrive)
    return parser


def _add_installation(action: argparse.ArgumentParser) -> None:
    action.add_argument("--stack", help="a stack on AWS, instead of the service that runs on this machine")
    action.add_argument("--data", type=Path, help="folder of the service that is meant, if several run")


def _add_keys(keys: argparse.ArgumentParser) -> None:
    actions = keys.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="make a key; its secret is printed once")
    create.add_argument("--owner", required=True, help="tenant: lower case letters, digits and hyphens")
    create.add_argument(
        "--scope", action="append", choices=["read", "write"], help="what it may be used for, repeatable; default: both"
    )
    create.add_argument("--expires-days", type=int, help="days until it ends; without, it lasts until it is revoked")
    create.add_argument("--jobs-in-flight", type=int, help="unfinished jobs at a time")
    create.add_argument("--minutes-per-month", type=int, help="minutes of video finished in a calendar month")
    create.add_argument("--requests-per-second", type=int, help="requests in one second")
    create.add_argument("--pieces-at-once", type=int, help="pieces of one long video that are worked on at a time")
    listing = actions.add_parser("list", help="list keys, without their secrets")
    listing.add_argument("--owner", help="only this tenant's")
    revoke = actions.add_parser("revoke", help="end a key at once and for good")
    revoke.add_argument("key_id")
    for action in (create, listing, revoke):
        _add_installation(action)


def _serve(options: argparse.Namespace) -> None:
    if options.sam is not None and not options.sam.is_file():
        raise UsageError(f"--sam: there is no program {options.sam}; make sam-local installs it")
    # Heavy, so only now: a mistake in the arguments is answered at once.
    from local.service import Service, ServiceOptions  # noqa: PLC0415

    started = time.monotonic()
    if not 0 <= options.port <= 65535:
        raise UsageError(f"--port must be between 0 and 65535, not {options.port}")
    parameters = dict(_pair(text) for text in options.parameter)
    data = options.data or _default_folder("serve")
    chosen = ServiceOptions(_own_folder(data), api_port=options.port, parameters=parameters)
    with Service(chosen) if options.sam is None else _in_containers(chosen, options.sam) as service:
        print(f"ready in {time.monotonic() - started:.1f} s: {service.api_url}")
        print(f"logs: {service.log_folder}")
        print(f"access key, shown once: {service.access_key}")
        print("try:  " + _example(service.api_url, service.access_key))
        print("Ctrl-C ends it.", flush=True)
        threading.Event().wait()


@contextlib.contextmanager
def _in_containers(options: ServiceOptions, sam_program: Path) -> Iterator[Service]:
    from local.containers.engine import EngineError, EngineUnavailableError  # noqa: PLC0415
    from local.containers.preparation import prepared  # noqa: PLC0415
    from local.containers.sam import SamError  # noqa: PLC0415
    from local.containers.service import ContainerService, ContainerStartError  # noqa: PLC0415

    def tell(part: str, seconds: float) -> None:
        print(f"{part}: {seconds:.1f} s", flush=True)

    try:
        with prepared(sam_program, _CONTAINERS, tell) as parts, ContainerService(options, parts) as service:
            yield service
    except (EngineUnavailableError, EngineError, SamError, ContainerStartError) as error:
        raise UsageError(str(error)) from error


def _run(options: argparse.Namespace) -> None:
    from local.service import Service, ServiceOptions  # noqa: PLC0415

    wishes = Wishes(
        video=_video(options.video),
        out=Path(options.out or "out"),
        **_functions(options),
    )
    data = options.data or _default_folder("run")
    with Service(ServiceOptions(_own_folder(data))) as service:
        try:
            take_through(ApiClient(service.api_url, service.access_key), wishes)
        except BaseException:
            print(f"logs: {service.log_folder}", file=sys.stderr)
            raise
    # Nothing went wrong, so nobody will look for the logs; a folder that the user named stays.
    if options.data is None:
        shutil.rmtree(data, ignore_errors=True)


def _keys(options: argparse.Namespace) -> None:
    # Loads boto3, so only now.
    from domain.errors import InvalidRequestError  # noqa: PLC0415
    from local import keys as access_keys  # noqa: PLC0415

    try:
        with _installation(options) as service:
            keys = access_keys.of(service)
        if options.action == "create":
            given = {name: getattr(options, name) for name in _QUOTAS if getattr(options, name) is not None}
            print(access_keys.create(keys, options.owner, options.scope or _SCOPES, given, options.expires_days))
        elif options.action == "list":
            for key in sorted(keys.list(options.owner), key=lambda key: key.created_at):
                print(access_keys.line_of(key))
        else:
            keys.revoke(options.key_id)
            print(f"revoked {options.key_id}")
    except InvalidRequestError as error:
        raise UsageError(str(error)) from error
    except ValueError as error:
        raise UsageError(_first_line(error)) from error


def _callbacks(options: argparse.Namespace) -> None:
    from local import callbacks  # noqa: PLC0415 - as above

    with _installation(options) as service:
        print(f"{callbacks.redrive(service)} callbacks are told again")


@contextlib.contextmanager
def _installation(options: argparse.Namespace) -> Iterator[Installation]:
    from local import installation  # noqa: PLC0415 - as above

    folders = [options.data] if options.data else sorted(_DATA.glob("serve-*"))
    try:
        yield installation.of_stack(options.stack) if options.stack else installation.of_local_service(folders)
    except installation.NoServiceError as error:
        raise UsageError(str(error)) from error


def _first_line(error: ValueError) -> str:
    """Return what is wrong in one line: of a pydantic error the first field and its message."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    first = errors(include_url=False)[0]
    return f"--{'-'.join(map(str, first['loc'])).replace('_', '-')}: {first['msg']}"


def _video(text: str) -> Path | None:
    if not text:
        return None
    path = Path(text)
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise UsageError(f"the file {path} is empty")
    return path


def _functions(options: argparse.Namespace) -> dict[str, dict[str, Any] | None]:
    """Return the ``erase`` and ``upscale`` parts of the request; captions and twice the size where none is named."""
    nothing_named = not options.erase and not options.upscale
    return {
        "erase": _erase(options, "captions" if nothing_named else options.erase),
        "upscale": _upscale(options, "2" if nothing_named else options.upscale),
    }


def _erase(options: argparse.Namespace, wanted: str) -> dict[str, Any] | None:
    named = wanted.split(",") if wanted else []
    if not set(named) <= {"captions", "icons"}:
        raise UsageError(f"--erase knows captions and icons, not {wanted}")
    settings: dict[str, dict[str, Any]] = {
        "captions": {"regions": [_region(text, "--region") for text in options.region]},
        "icons": {"regions": [_region(text, "--icon-region") for text in options.icon_region]},
    }
    if options.icon_kinds:
        settings["icons"]["kinds"] = options.icon_kinds.split(",")
    for what, given in settings.items():
        if what not in named and any(given.values()):
            option = {"captions": "--region belongs", "icons": "--icon-region and --icon-kinds belong"}[what]
            raise UsageError(f"{option} to --erase {what}")
    if options.quality and not named:
        raise UsageError("--quality belongs to --erase")
    quality = {"quality": options.quality} if options.quality else {}
    return {**{what: settings[what] for what in named}, **quality} if named else None


def _upscale(options: argparse.Namespace, wanted: str) -> dict[str, Any] | None:
    if not wanted:
        if options.bitrate_mbps or options.upscale_quality:
            raise UsageError("--bitrate-mbps and --upscale-quality belong to --upscale 2")
        return None
    upscale: dict[str, Any] = {"factor": _whole(wanted, "--upscale")}
    if options.bitrate_mbps:
        upscale["bitrate_mbps"] = _whole(options.bitrate_mbps, "--bitrate-mbps")
    if options.upscale_quality:
        upscale["quality"] = options.upscale_quality
    return upscale


def _region(text: str, option: str) -> dict[str, float]:
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{option} takes X,Y,WIDTH,HEIGHT as fractions of the picture, not {text}") from error
    return {"x": x, "y": y, "width": width, "height": height}


def _whole(text: str, argument: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(f"{argument} takes a whole number, not {text}") from error


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"--parameter takes NAME=VALUE, not {text}")
    return name, value


def _default_folder(command: str) -> Path:
    """Return a folder for this process alone; those of processes that ended more than a day ago are removed."""
    for old in _DATA.glob("*-[0-9]*"):
        is_running = Path(f"/proc/{old.name.rpartition('-')[2]}").exists()
        if not is_running and time.time() - old.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    return _DATA / f"{command}-{os.getpid()}"


def _own_folder(data: Path) -> Path:
    """Return ``data``, refused where it holds what is not this service's: its logs would be replaced."""
    if data.exists() and not data.is_dir():
        raise UsageError(f"{data} is not a folder")
    if data.is_dir() and {entry.name for entry in data.iterdir()} - {"logs", "objects", "service.json"}:
        raise UsageError(f"the folder {data} holds other files; name an empty one with --data")
    if (facts := data / "service.json").is_file():
        pid = json.loads(facts.read_text(encoding="utf-8"))["pid"]
        if Path(f"/proc/{pid}").exists():
            raise UsageError(f"the folder {data} is in use by process {pid}; name another with --data")
    return data


def _example(api_url: str, access_key: str) -> str:
    body = '{"source": {"url": "https://example.com/film.mp4"}, "upscale": {}}'
    headers = f"-H 'authorization: Bearer {access_key}' -H 'content-type: application/json'"
    return f"curl -s -X POST {api_url}/v1/jobs {headers} -d '{body}'"


def _as_interrupt(number: int, frame: types.FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


_COMMANDS = {"serve": _serve, "run": _run, "keys": _keys, "callbacks": _callbacks}
