"""Usage in RPC version 2020-11-09: DescribeMeterImsMpsAiUsage."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from math import ceil
from typing import Any

from domain.errors import InvalidRequestError
from domain.usage import Interval, span_of
from rpc.call import Call

_INTERVALS = {"3600": Interval.HOUR, "86400": Interval.DAY}
_TYPE = "Product"
# Beyond year 9999 Python has no dates.
_LAST_TIMESTAMP = 253_402_300_799


def describe(call: Call) -> dict[str, Any]:
    """DescribeMeterImsMpsAiUsage: minutes of video finished, by hour or day; a minute that began counts whole."""
    start, end = (_moment(call, name) for name in ("StartTs", "EndTs"))
    interval = _INTERVALS.get(call.text("Interval"))
    if interval is None:
        raise InvalidRequestError("Interval is not known", field="Interval", allowed=", ".join(_INTERVALS))
    usage = call.service.usage.summary(call.owner, span_of(start, end), interval)
    seconds: defaultdict[datetime, float] = defaultdict(float)
    for row in usage.rows:
        seconds[row.start] += row.billable_seconds
    data = [
        {"Time": int(begin.timestamp()), "Type": _TYPE, "Duration": ceil(total / 60)}
        for begin, total in sorted(seconds.items())
    ]
    return {"Data": data}


def _moment(call: Call, name: str) -> datetime:
    call.text(name)
    return datetime.fromtimestamp(call.whole(name, 0, 0, _LAST_TIMESTAMP), UTC)
