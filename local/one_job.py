"""``run``: takes one video through the service, as any client would, and brings the result home."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from local.client import ApiClient, download
from local.progress_bar import ProgressBar

_POLL_SECONDS = 0.5
_FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


class JobFailedError(Exception):
    """Raised when a job ends in another way than SUCCEEDED; carries the job's code and message."""


@dataclass(frozen=True)
class Wishes:
    """What the user asked for on the command line; ``video`` is None for the demo clip."""

    video: Path | None
    out: Path
    erase: dict[str, Any] | None
    upscale: dict[str, Any] | None

    def request(self, upload_id: str) -> dict[str, Any]:
        """Return the body of ``POST /v1/jobs``."""
        wanted = {"erase": self.erase, "upscale": self.upscale}
        return {
            "source": {"upload_id": upload_id},
            **{name: settings for name, settings in wanted.items() if settings is not None},
        }


def take_through(client: ApiClient, wishes: Wishes) -> None:
    """Upload, submit, wait, download; says on stdout where everything is.

    Raises:
        ApiError: the service refuses a request.
        JobFailedError: the job did not succeed.
    """
    wishes.out.mkdir(parents=True, exist_ok=True)
    video = wishes.video
    if video is None:
        from local import demo_clip  # noqa: PLC0415 - loads PyAV, which is not needed for one's own video

        video = wishes.out / "demo_clip.mp4"
        print(f"drawing a demo clip with {len(demo_clip.CAPTIONS)} captions: {video}")
        demo_clip.draw(video)
    print(f"sending {video} ({video.stat().st_size / 1e6:.1f} MB)")
    upload_id = client.upload(video)
    job = client.call("POST", "/v1/jobs", wishes.request(upload_id))
    print(f"job {job['job_id']}")
    job = _follow(client, job)
    if job["status"] != "SUCCEEDED":
        error = job.get("error") or {"code": job["status"], "message": "the job did not finish"}
        raise JobFailedError(f"{error['code']}: {error['message']}")
    files = _fetch(job["result"]["links"], wishes.out)
    _describe(job, files)


def _follow(client: ApiClient, job: dict[str, Any]) -> dict[str, Any]:
    bar = ProgressBar(sys.stdout)
    path = f"/v1/jobs/{job['job_id']}"
    try:
        while job["status"] not in _FINAL:
            bar.show(job.get("stage") or job["status"].lower(), job.get("progress_percent", 0))
            time.sleep(_POLL_SECONDS)
            job = client.call("GET", path)
        bar.show(job["status"].lower(), 100 if job["status"] == "SUCCEEDED" else job.get("progress_percent", 0))
    except BaseException:
        # Ctrl-C, or a service that is gone: nobody waits for this job any more.
        bar.finish()
        raise
    bar.finish()
    return job


def _fetch(links: dict[str, str], out: Path) -> dict[str, Path]:
    files = {}
    for name, url in links.items():
        files[name] = out / Path(unquote(urlsplit(url).path)).name
        download(url, files[name])
    return files


def _describe(job: dict[str, Any], files: dict[str, Path]) -> None:
    facts = job["result"]["facts"]
    source = job.get("source_facts") or {}
    print(f"{source.get('width', '?')}x{source.get('height', '?')} -> {facts['width']}x{facts['height']}")
    if facts.get("nothing_found"):
        print("nothing to erase was found: the picture is as it was")
    for name, path in files.items():
        print(f"{name:<14} {path}")
    if "report" in files:
        for stage, seconds in _stage_seconds(json.loads(files["report"].read_text(encoding="utf-8"))):
            print(f"{stage:<14} {seconds:.1f} s")


def _stage_seconds(report: dict[str, Any]) -> list[tuple[str, float]]:
    """Return how long each stage took over all segments, in the order in which they ran."""
    totals: dict[str, float] = {}
    for part in report["stages"]:
        totals[part["stage"]] = totals.get(part["stage"], 0.0) + float(part["seconds"])
    return list(totals.items())
