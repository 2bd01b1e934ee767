"""Usage: one record for each job that has ended, and sums of them over hours and days."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError, model_validator

from domain.errors import InvalidRequestError
from domain.job import Job, JobStatus, Quality
from domain.strict import Strict

#: The longest span that one question covers, and how far back it reaches.
MAX_SPAN = timedelta(days=31)
MAX_AGE = timedelta(days=90)
# Short sides in pixels up to which a picture is of a tier, as the field names them.
_TIERS = ((576, "sd"), (720, "hd"), (1080, "full_hd"), (1440, "2k"))


class Function(StrEnum):
    """What a job did."""

    ERASE = "erase"
    UPSCALE = "upscale"
    ERASE_AND_UPSCALE = "erase_and_upscale"
    PREVIEW = "preview"


class Tier(StrEnum):
    """Size of the picture that came out, by its short side: at most 576, 720, 1080, 1440 pixels, or more."""

    SD = "sd"
    HD = "hd"
    FULL_HD = "full_hd"
    TWO_K = "2k"
    FOUR_K = "4k"


class Interval(StrEnum):
    """Length of the buckets that usage is summed in; days begin at midnight UTC."""

    HOUR = "hour"
    DAY = "day"

    def start_of(self, moment: datetime) -> datetime:
        """Return when the bucket of a moment begins."""
        whole = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return whole if self is Interval.HOUR else whole.replace(hour=0)


class UsageRecord(Strict):
    """What one job used. Sizes are of the result, or of the source where there is no result.

    ``function`` is None for a job that failed because what it was to do could not be read. Only a succeeded job has
    ``billable_seconds``: the seconds of its output. A preview has none.
    """

    job_id: str
    ended_at: AwareDatetime
    status: JobStatus
    function: Function | None
    quality: Quality | None
    model: str | None
    input_seconds: float | None
    output_seconds: float | None
    width: int | None
    height: int | None
    tier: Tier | None
    billable_seconds: float


def _written_out(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError("write the time as RFC 3339 has it")  # noqa: TRY004 - pydantic reads ValueErrors
    return value


#: A moment; unlike pydantic's own, not a number of seconds.
_Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]


class Span(Strict):
    """From ``start`` on, up to but without ``end``."""

    start: _Moment
    end: _Moment

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end <= self.start:
            raise ValueError("end must be later than start")
        if self.end - self.start > MAX_SPAN:
            raise ValueError(f"the span may hold at most {MAX_SPAN.days} days")
        return self

    def check_age(self, now: datetime) -> None:
        """Refuse a span of which nothing may be asked any more, or nothing is there yet.

        Raises:
            InvalidRequestError: it begins more than 90 days ago, or in the future.
        """
        if not now - MAX_AGE <= self.start <= now:
            earliest, latest = ((now - age).isoformat(timespec="seconds") for age in (MAX_AGE, timedelta()))
            raise InvalidRequestError(
                f"usage is told for the last {MAX_AGE.days} days", field="start", allowed=f"{earliest} to {latest}"
            )


def span_of(start: datetime, end: datetime) -> Span:
    """Return a span; times without an offset are taken as UTC.

    Raises:
        InvalidRequestError: the end does not follow the start, or the span is too long.
    """
    aware = {
        name: moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        for name, moment in (("start", start), ("end", end))
    }
    try:
        return Span.model_validate(aware)
    except ValidationError as error:
        raise InvalidRequestError(
            str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, "), field="end"
        ) from error


class UsageRow(Strict):
    """Usage of one bucket by jobs of one function, quality and tier. ``failed_jobs`` have no billable seconds."""

    start: AwareDatetime
    function: Function | None
    quality: Quality | None
    tier: Tier | None
    jobs: Annotated[int, Field(ge=1)]
    failed_jobs: int
    input_seconds: float
    output_seconds: float
    billable_seconds: float


class Usage(Strict):
    """Sums over a span, in the order of time; buckets without a job are left out."""

    start: AwareDatetime
    end: AwareDatetime
    interval: Interval
    rows: tuple[UsageRow, ...]
    billable_seconds: float


class UsageExport(Strict):
    """A CSV with one line for each of ``jobs``, behind a link that lasts until ``url_expires_at``."""

    url: str
    url_expires_at: AwareDatetime
    jobs: int


def record_of(job: Job) -> UsageRecord:
    """Return the record of a job that has ended."""
    assert job.finished_at is not None  # set by every way into a final status
    source, result, request = job.source_facts, job.result_facts, job.request
    facts = result or source
    seconds = result.duration_seconds if result is not None else None
    erase = None if request is None else request.erase
    is_preview = request is not None and request.preview
    return UsageRecord(
        job_id=job.job_id,
        ended_at=job.finished_at,
        status=job.status,
        function=function_of(job),
        quality=None if erase is None else erase.quality,
        model=None if result is None else result.upscaler,
        input_seconds=None if source is None else source.duration_seconds,
        output_seconds=seconds,
        width=None if facts is None else facts.width,
        height=None if facts is None else facts.height,
        tier=None if facts is None else tier_of(facts.width, facts.height),
        billable_seconds=seconds or 0.0 if job.status is JobStatus.SUCCEEDED and not is_preview else 0.0,
    )


def function_of(job: Job) -> Function | None:
    """Return what a job does, None where its request could not be read."""
    if job.request is None:
        return None
    if job.request.preview:
        return Function.PREVIEW
    if job.request.erase is None:
        return Function.UPSCALE
    return Function.ERASE if job.request.upscale is None else Function.ERASE_AND_UPSCALE


def tier_of(width: int, height: int) -> Tier:
    """Return the tier of a picture of ``width`` x ``height`` pixels, in either orientation."""
    short = min(width, height)
    return next((Tier(name) for most, name in _TIERS if short <= most), Tier.FOUR_K)


def summed(records: Iterable[UsageRecord], span: Span, interval: Interval) -> Usage:
    """Sum records of a span by bucket, function, quality and tier."""
    groups: dict[tuple[datetime, Function | None, Quality | None, Tier | None], list[UsageRecord]] = defaultdict(list)
    for record in records:
        bucket = interval.start_of(record.ended_at)
        groups[bucket, record.function, record.quality, record.tier].append(record)
    rows = tuple(
        UsageRow(
            start=start,
            function=function,
            quality=quality,
            tier=tier,
            jobs=len(group),
            failed_jobs=sum(record.status is not JobStatus.SUCCEEDED for record in group),
            input_seconds=_total(record.input_seconds for record in group),
            output_seconds=_total(record.output_seconds for record in group),
            billable_seconds=_total(record.billable_seconds for record in group),
        )
        for (start, function, quality, tier), group in sorted(groups.items(), key=lambda item: _sort_key(item[0]))
    )
    return Usage(
        start=span.start,
        end=span.end,
        interval=interval,
        rows=rows,
        billable_seconds=_total(row.billable_seconds for row in rows),
    )


def _sort_key(group: tuple[datetime, *tuple[StrEnum | None, ...]]) -> tuple[datetime, tuple[str, ...]]:
    start, *kinds = group
    return start, tuple(str(kind or "") for kind in kinds)


def _total(seconds: Iterable[float | None]) -> float:
    return round(sum(value or 0.0 for value in seconds), 3)


def to_csv(records: Iterable[UsageRecord]) -> str:
    """Return records as CSV (RFC 4180), one line a job, names of the fields first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(UsageRecord.model_fields))
    writer.writeheader()
    writer.writerows(record.model_dump(mode="json") for record in records)
    return text.getvalue()
