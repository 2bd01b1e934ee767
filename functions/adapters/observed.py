"""Logs, traces and metrics around every handler: one line of context each, the same for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.logging.correlation_paths import API_GATEWAY_HTTP
from aws_lambda_powertools.metrics import MetricUnit

from domain.errors import SmartEraseError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

#: Takes an event, gives an answer.
Handler = Callable[[dict[str, Any], "LambdaContext"], dict[str, Any]]

_SERVICE = "smart-erase"

logger = Logger(service=_SERVICE)
metrics = Metrics(namespace="SmartErase", service=_SERVICE)
_tracer = Tracer(service=_SERVICE)


def observed(handler: Handler, *, correlation_id_path: str | None = None) -> Handler:
    """Give a handler structured logs, a trace and its metrics; what it raises goes on."""

    def counting(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        try:
            answer = handler(event, context)
        except SmartEraseError as error:
            metrics.add_metric(name="Refused", unit=MetricUnit.Count, value=1)
            logger.info("refused", code=error.code, reason=error.message)
            raise
        except Exception:
            metrics.add_metric(name="Crashed", unit=MetricUnit.Count, value=1)
            logger.exception("crashed")
            raise
        metrics.add_metric(name="Done", unit=MetricUnit.Count, value=1)
        return answer

    with_metrics = metrics.log_metrics(counting)
    with_trace = _tracer.capture_lambda_handler(with_metrics, capture_response=False)
    with_logs = logger.inject_lambda_context(with_trace, correlation_id_path=correlation_id_path, clear_state=True)

    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        answer: dict[str, Any] = with_logs(event, context)
        return answer

    return handle


def observed_request(answer: Handler) -> Handler:
    """Make a handler of HTTP API requests (payload format 2.0); it finds the names of headers in lower case."""

    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        # API Gateway writes them so; `sam local` leaves them as the client did.
        headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
        return answer({**event, "headers": headers}, context)

    return observed(handler, correlation_id_path=API_GATEWAY_HTTP)


def observed_step(step: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Handler:
    """Make a handler of one step of the state machine, which takes a job's ID and the whole payload."""

    def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
        job_id = str(event["job_id"])
        logger.append_keys(job_id=job_id)
        return step(job_id, event)

    return observed(handler)
