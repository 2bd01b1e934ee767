"""The command line: ``run`` for Batch, ``detect``, ``erase`` and ``upscale`` for a laptop, ``doctor`` and ``models``.

Exit codes: 0 done, 2 bad input (one line on stderr), 1 anything else.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pydantic import ValidationError

from domain.errors import InvalidRequestError, SmartEraseError
from domain.icon import IconMediaType
from domain.job import (
    DEFAULT_BITRATE_MBPS,
    CaptionBand,
    CaptionErasure,
    EraseSettings,
    IconErasure,
    IconKind,
    JobError,
    ObjectRef,
    Quality,
    Stage,
    UpscaleSettings,
)
from domain.progress import StageProgress
from domain.regions import MAX_REGIONS, Region, TimeRange
from domain.storage_keys import JobKeys
from domain.work_order import LibraryIcon, ResultManifest, WorkOrder
from gpu_worker.fill.learned import open_learned_fill
from gpu_worker.heartbeat import Heartbeat
from gpu_worker.inference.model_store import ModelError, list_models, locate, verified_path
from gpu_worker.inference.session import Device, available_devices, open_session
from gpu_worker.progress_bar import ProgressBar
from gpu_worker.stages.job import StageJob
from gpu_worker.stages.pipeline import WORKER_STAGES, run_all, run_stage
from gpu_worker.stages.preview import TIMELINE_NAME, write_preview
from gpu_worker.stages.report import Report, summary_lines
from gpu_worker.upscaling.upscaler import AUTOMATIC, upscaler_names
from gpu_worker.video.capabilities import missing_codecs
from gpu_worker.video.encoders import nvenc_works
from gpu_worker.video.source import probe_video
from gpu_worker.workspace import LocalWorkspace, S3Workspace, Workspace, copy_atomically

#: A chunk of the largest pictures takes minutes on a CPU, the worst of all cases half an hour.
_HEARTBEAT_SECONDS = 3600
EXIT_DONE = 0
EXIT_CRASH = 1
EXIT_BAD_INPUT = 2
_TERMINATED = 128 + signal.SIGTERM
_INTERRUPTED = 128 + signal.SIGINT
_KILLED = 128 + signal.SIGKILL

_S3_URI = re.compile(r"s3://(?P<bucket>[^/]+)/jobs/(?P<job_id>[^/]+)/work_order\.json")
_ICON_MEDIA_TYPES = {".png": IconMediaType.PNG, ".svg": IconMediaType.SVG}
_REGION = re.compile(r"(?P<box>[^@]+)(@(?P<start>[\d.]+)-(?P<end>[\d.]+))?")


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    # Batch and the local engine end a worker with SIGTERM: leave by the normal way, so that temporary files go.
    signal.signal(signal.SIGTERM, _leave)
    try:
        options = _parser().parse_args(arguments)
        return int(options.command(options))
    except SmartEraseError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_CRASH
    except ChildProcessError as error:
        # Whatever ended a process of this one was meant for it.
        print(f"error: {error}", file=sys.stderr)
        return _KILLED
    except KeyboardInterrupt:
        return _INTERRUPTED


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(_TERMINATED)


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, like every other error."""

    def error(self, message: str) -> NoReturn:
        raise InvalidRequestError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m gpu_worker", description="Removes captions and icons from video and doubles its size."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="one stage of a job, as AWS Batch runs it")
    run.add_argument("--work-order", required=True, metavar="URI", help="s3://BUCKET/jobs/ID/work_order.json")
    run.add_argument("--stage", required=True, choices=[stage.value for stage in WORKER_STAGES])
    run.add_argument("--segment", type=int, default=0, metavar="N")
    run.add_argument(
        "--heartbeat-seconds",
        type=int,
        default=os.environ.get("SMART_ERASE_HEARTBEAT_SECONDS", _HEARTBEAT_SECONDS),
        metavar="N",
        help="after so long without progress the stage is ended",
    )
    _add_device(run)
    run.set_defaults(command=_run)

    detect = commands.add_parser("detect", help="show what an erase would remove")
    _add_input(detect)
    detect.add_argument(
        "--preview",
        type=Path,
        required=True,
        metavar="DIR",
        help=f"folder for {TIMELINE_NAME} and a picture of all that is found; those of an earlier preview are replaced",
    )
    _add_captions(detect)
    _add_icons(detect)
    _add_device(detect)
    detect.set_defaults(command=_detect)

    erase = commands.add_parser("erase", help="remove captions and icons of a video")
    _add_files(erase)
    _add_captions(erase)
    _add_icons(erase)
    erase.add_argument("--quality", choices=[quality.value for quality in Quality], default=Quality.NORMAL.value)
    erase.add_argument(
        "--fill-model",
        default="",
        metavar="NAME",
        help="the network that Premium repaints with what no frame shows, or the path of your own (.onnx)",
    )
    erase.add_argument("--upscale", action="store_true", help="double the size as well")
    _add_upscaling(erase)
    _add_device(erase)
    erase.set_defaults(command=_erase)

    upscale = commands.add_parser("upscale", help="double the size of a video")
    _add_files(upscale)
    _add_upscaling(upscale)
    _add_device(upscale)
    upscale.set_defaults(command=_upscale, fill_model="")

    doctor = commands.add_parser("doctor", help="check codecs, models and devices")
    _add_device(doctor)
    doctor.set_defaults(command=_doctor)

    models = commands.add_parser("models", help="list the networks and the upscalers")
    models.set_defaults(command=_models)
    return parser


def _add_input(command: argparse.ArgumentParser) -> None:
    command.add_argument("input", type=Path, metavar="IN")


def _add_files(command: argparse.ArgumentParser) -> None:
    _add_input(command)
    command.add_argument("output", type=Path, metavar="OUT", help="an MP4 file; replaced only by a complete result")
    command.add_argument("--report", type=Path, metavar="DIR", help="folder for report, captions and pictures")


def _add_captions(command: argparse.ArgumentParser) -> None:
    command.add_argument("--captions", action="store_true", help="look for captions: without --icons the default")
    command.add_argument(
        "--region",
        action="append",
        default=[],
        metavar="X,Y,W,H[@START-END]",
        help=f"where captions are, fractions of the displayed picture, and when, in seconds; at most {MAX_REGIONS};"
        " default: the bottom quarter",
    )
    command.add_argument(
        "--anywhere",
        action="store_true",
        help="look for captions in the whole picture; text of the scene, score bars and slides stay",
    )
    command.add_argument(
        "--everything", action="store_true", help="erase all of each region, without looking for captions"
    )
    command.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="X,Y,W,H[@START-END]",
        help=f"what is never touched, text or not; at most {MAX_REGIONS}",
    )


def _add_icons(command: argparse.ArgumentParser) -> None:
    command.add_argument("--icons", action="store_true", help="look for icons; for captions as well with --captions")
    command.add_argument(
        "--kind",
        default=None,
        metavar="KIND[,KIND]",
        help=f"whose icons: {', '.join(IconKind)}; default: both",
    )
    command.add_argument(
        "--icon-library",
        type=Path,
        metavar="DIR",
        help="your own icons, as DIR/tv/NAME.png (or .svg) and DIR/internet/NAME.png",
    )
    command.add_argument(
        "--icon-region",
        action="append",
        default=[],
        metavar="X,Y,W,H[@START-END]",
        help=f"where icons are; at most {MAX_REGIONS}; default: anywhere",
    )


def _add_upscaling(command: argparse.ArgumentParser) -> None:
    command.add_argument("--bitrate-mbps", type=int, default=DEFAULT_BITRATE_MBPS, metavar="N", help="1-100")
    command.add_argument(
        "--model",
        default=AUTOMATIC,
        metavar="NAME",
        help=f"{', '.join(upscaler_names())}, or the path of a network of your own (.onnx)",
    )


def _add_device(command: argparse.ArgumentParser) -> None:
    # The image for GPUs sets the variable, so that a job of it never runs on the CPU unnoticed.
    command.add_argument(
        "--device",
        choices=[device.value for device in Device],
        default=os.environ.get("SMART_ERASE_DEVICE", Device.CPU.value),
        help="where the networks run",
    )


def _run(options: argparse.Namespace) -> int:
    match = _S3_URI.fullmatch(options.work_order)
    if match is None:
        raise InvalidRequestError(f"{options.work_order} is not s3://BUCKET/jobs/ID/work_order.json")
    with tempfile.TemporaryDirectory(prefix="smart-erase-") as scratch:
        workspace = S3Workspace(match["bucket"], JobKeys(match["job_id"]), Path(scratch))
        with Heartbeat(options.heartbeat_seconds) as heartbeat:
            work = Stage(options.stage), options.segment
            return run_in_workspace(workspace, *work, Device(options.device), heartbeat.beat)


def run_in_workspace(
    workspace: Workspace, stage: Stage, segment: int, device: Device, beat: Callable[[], None] = lambda: None
) -> int:
    """Run one stage of the job in ``workspace``; a bad input is left there as the job's error.

    ``beat`` is called with each progress report.
    """
    order = WorkOrder.model_validate_json(workspace.read(workspace.keys.work_order))

    def report_progress(progress: StageProgress) -> None:
        beat()
        key = workspace.keys.progress(progress.stage, progress.segment)
        workspace.write(key, progress.model_dump_json().encode())

    try:
        run_stage(StageJob(workspace, order, report_progress, device=device), stage, segment)
    except SmartEraseError as error:
        failure = JobError(code=error.code, message=error.message)
        workspace.write(workspace.keys.error, failure.model_dump_json().encode())
        raise
    return EXIT_DONE


def _detect(options: argparse.Namespace) -> int:
    try:
        settings = _settings(options, Quality.NORMAL)
    except ValidationError as error:
        raise InvalidRequestError(_first_problem(error)) from error
    preview = options.preview.resolve()
    if preview.exists() and not preview.is_dir():
        raise InvalidRequestError(f"--preview {options.preview} is a file; name a folder")
    nearest = next(folder for folder in (preview, *preview.parents) if folder.exists())
    if not os.access(nearest, os.W_OK):
        raise InvalidRequestError(f"the folder {nearest} is not writable")
    order = _order(options.input, settings, None, _icon_library(options, settings))
    with tempfile.TemporaryDirectory(prefix="smart-erase-") as folder, ProgressBar(sys.stderr) as bar:
        job = StageJob(LocalWorkspace(Path(folder)), order, bar.show, device=Device(options.device))
        detection = write_preview(job, preview)
    counts = {"caption": len(detection.captions), "icon": len(detection.icons)}
    found = " and ".join(f"{count} {what}{'s' if count > 1 else ''}" for what, count in counts.items() if count)
    print(f"{options.preview / TIMELINE_NAME}: {found or _nothing_found(settings)}")
    return EXIT_DONE


def _erase(options: argparse.Namespace) -> int:
    try:
        settings = _settings(options, Quality(options.quality))
        upscale = UpscaleSettings(bitrate_mbps=options.bitrate_mbps) if options.upscale else None
    except ValidationError as error:
        raise InvalidRequestError(_first_problem(error)) from error
    if options.fill_model:
        if settings.quality is not Quality.PREMIUM:
            raise InvalidRequestError("--fill-model: only Premium repaints with a network; add --quality premium")
        # Better refused now than after the captions have been looked for.
        open_learned_fill(options.fill_model, Device(options.device))
    return _process(options, settings, upscale)


def _upscale(options: argparse.Namespace) -> int:
    try:
        settings = UpscaleSettings(bitrate_mbps=options.bitrate_mbps)
    except ValidationError as error:
        raise InvalidRequestError(_first_problem(error)) from error
    return _process(options, None, settings)


def _settings(options: argparse.Namespace, quality: Quality) -> EraseSettings:
    """Return what is to be erased: captions where nothing is named.

    Raises:
        InvalidRequestError: when an option belongs to something that is not.
        ValidationError: when a number is out of bounds.
    """
    captions = options.captions or not options.icons
    strays = {
        "--icons": [("--kind", options.kind), ("--icon-library", options.icon_library)],
        "--captions": [("--region", options.region), ("--anywhere", options.anywhere)],
    }
    strays["--icons"].append(("--icon-region", options.icon_region))
    for what, given in strays.items():
        for name, value in given:
            if value and not (options.icons if what == "--icons" else captions):
                raise InvalidRequestError(f"{name} belongs to {what}: give that as well")
    return EraseSettings(
        captions=_captions(options) if captions else None,
        icons=_icons(options) if options.icons else None,
        quality=quality,
    )


def _icons(options: argparse.Namespace) -> IconErasure:
    kinds = tuple(IconKind)
    if options.kind is not None:
        names = options.kind.split(",")
        if not set(names) <= set(IconKind):
            raise InvalidRequestError(f"--kind {options.kind}: the kinds are {', '.join(IconKind)}")
        kinds = tuple(IconKind(name) for name in names)
    return IconErasure(
        kinds=kinds,
        # One of the two says that all of its regions go: without captions it is icons.
        erase_everything=options.everything and not options.captions,
        regions=tuple(parse_region(text, "--icon-region") for text in options.icon_region),
        keep=tuple(parse_region(text, "--keep") for text in options.keep),
    )


def _nothing_found(settings: EraseSettings) -> str:
    wanted = [what for what, asked in (("caption", settings.captions), ("icon", settings.icons)) if asked is not None]
    return f"no {' and no '.join(wanted)} was found"


def _captions(options: argparse.Namespace) -> CaptionErasure:
    return CaptionErasure(
        erase_everything=options.everything,
        band=CaptionBand.ANYWHERE if options.anywhere else CaptionBand.BOTTOM,
        regions=tuple(parse_region(text, "--region") for text in options.region),
        keep=tuple(parse_region(text, "--keep") for text in options.keep),
    )


def parse_region(text: str, option: str) -> Region:
    """Read ``X,Y,W,H`` or ``X,Y,W,H@START-END``, the value of ``option``.

    Raises:
        InvalidRequestError: when it is neither.
        ValidationError: when a number is out of bounds.
    """
    match = _REGION.fullmatch(text)
    try:
        assert match is not None
        x, y, width, height = (float(part) for part in match["box"].split(","))
    except (AssertionError, ValueError) as error:
        raise InvalidRequestError(f"{option} {text}: write X,Y,W,H or X,Y,W,H@START-END") from error
    ranges: tuple[TimeRange, ...] = ()
    if match["start"] is not None:
        ranges = (TimeRange(start_seconds=float(match["start"]), end_seconds=float(match["end"])),)
    return Region(x=x, y=y, width=width, height=height, time_ranges=ranges)


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])


def _process(options: argparse.Namespace, erase: EraseSettings | None, upscale: UpscaleSettings | None) -> int:
    _check_output(options.input, options.output)
    if options.report is not None and options.report.exists() and not options.report.is_dir():
        raise InvalidRequestError(f"--report {options.report} is a file; name a folder")
    library = () if erase is None else _icon_library(options, erase)
    order = _order(options.input, erase, upscale, library)
    # Beside the output: a video's worth of pieces may not fit where temporary files usually go.
    with (
        tempfile.TemporaryDirectory(prefix=".smart-erase-", dir=options.output.resolve().parent) as folder,
        ProgressBar(sys.stderr) as bar,
    ):
        workspace = LocalWorkspace(Path(folder))
        job = StageJob(
            workspace,
            order,
            bar.show,
            device=Device(options.device),
            upscaler_name=options.model,
            fill_model=options.fill_model,
        )
        run_all(job)
        manifest = ResultManifest.model_validate_json(workspace.read(workspace.keys.result_manifest))
        report = Report.model_validate_json(workspace.read(manifest.files.report))
        _deliver(workspace, manifest, options.output, options.report)
    found = f" ({_nothing_found(erase)})" if manifest.nothing_found and erase is not None else ""
    print(f"{options.output}: {manifest.width}x{manifest.height}, {manifest.frame_count} frames{found}")
    if options.report is not None:
        for line in summary_lines(report.erase, report.warnings):
            print(line)
    return EXIT_DONE


def _icon_library(options: argparse.Namespace, settings: EraseSettings) -> tuple[LibraryIcon, ...]:
    """Return the pictures of the library's folders ``tv`` and ``internet``, as far as such icons are to go.

    Raises:
        InvalidRequestError: when there is neither folder.
    """
    folder: Path | None = options.icon_library
    if folder is None or settings.icons is None:
        return ()
    if not any((folder / kind).is_dir() for kind in IconKind):
        raise InvalidRequestError(f"--icon-library {folder}: there is neither a folder tv nor a folder internet in it")
    return tuple(
        LibraryIcon(
            icon_id=f"{kind}/{path.name}",
            name=path.stem,
            kind=kind,
            picture=ObjectRef(bucket="", key=str(path.resolve())),
            media_type=_ICON_MEDIA_TYPES[path.suffix.lower()],
        )
        for kind in settings.icons.kinds
        for path in sorted((folder / kind).glob("*"))
        if path.suffix.lower() in _ICON_MEDIA_TYPES
    )


def _order(
    source: Path,
    erase: EraseSettings | None,
    upscale: UpscaleSettings | None,
    icon_library: tuple[LibraryIcon, ...] = (),
) -> WorkOrder:
    return WorkOrder(
        job_id=None,
        source=ObjectRef(bucket="", key=str(source.resolve())),
        source_facts=probe_video(source).to_source_facts(),
        erase=erase,
        upscale=upscale,
        icon_library=icon_library,
    )


def _check_output(source: Path, output: Path) -> None:
    if not output.resolve().parent.is_dir():
        raise InvalidRequestError(f"there is no folder {output.resolve().parent}")
    if not os.access(output.resolve().parent, os.W_OK):
        raise InvalidRequestError(f"the folder {output.resolve().parent} is not writable")
    if output.is_dir():
        raise InvalidRequestError(f"{output} is a folder; name a file")
    if output.suffix.lower() != ".mp4":
        raise InvalidRequestError(f"{output}: the output is an MP4; give it a name that ends in .mp4")
    if output.exists() and source.exists() and output.samefile(source):
        raise InvalidRequestError(f"{output} is the input; name another output")


def _deliver(workspace: Workspace, manifest: ResultManifest, output: Path, report: Path | None) -> None:
    files = manifest.files.model_dump(exclude_none=True)
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        for name, key in files.items():
            if name != "video":
                path = workspace.fetch(key)
                copy_atomically(path, report / path.name)
    copy_atomically(workspace.fetch(files["video"]), output)


def _doctor(options: argparse.Namespace) -> int:
    problems = [f"FFmpeg: {name} is missing" for name in missing_codecs()]
    for card in list_models():
        try:
            verified_path(card.name)
        except ModelError as error:
            problems.append(str(error))
    device = Device(options.device)
    try:
        session = open_session(list_models()[0].name, device)
        print(f"networks run on: {session.provider}")
    except ModelError as error:
        problems.append(f"--device {device.value}: {error}")
    print(f"onnxruntime was built for: {', '.join(available_devices())}")
    print(f"H.264 encoder: {'NVENC' if nvenc_works() else 'libx264'}")
    print(f"models: {len(list_models())} listed")
    print(f"free disk in {tempfile.gettempdir()}: {shutil.disk_usage(tempfile.gettempdir()).free / 1e9:.1f} GB")
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    return EXIT_CRASH if problems else EXIT_DONE


def _models(_options: argparse.Namespace) -> int:
    for card in list_models():
        try:
            place = str(locate(card))
        except ModelError:
            place = "not installed"
        print(f"{card.name}\t{card.task}\t{card.licence}\t{card.sha256[:12]}\t{place}")
    for name in upscaler_names():
        print(f"{name}\tupscaler{' (default)' if name == AUTOMATIC else ''}")
    return EXIT_DONE
