"""Puts the parts together for one process: from settings to AWS clients to what the handlers call."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config

from adapters.access_keys import AccessKeys
from adapters.admission import Admission
from adapters.authentication import Authentication
from adapters.callback_delivery import CallbackDelivery, CallbackQueue
from adapters.callbacks import Callbacks
from adapters.executions import Executions
from adapters.icons import Icons
from adapters.job_end import JobEnd
from adapters.job_reader import JobReader
from adapters.job_slots import JobSlots
from adapters.jobs_table import JobsTable
from adapters.links import LinkSigner, Signer
from adapters.media_bucket import MediaBucket
from adapters.output_buckets import OutputBuckets
from adapters.own_models import OwnModels
from adapters.processing import Processing
from adapters.public_network import PublicNetwork, connect_by_system, resolve_by_system
from adapters.secret_box import SecretBox
from adapters.settings import Settings, process_settings
from adapters.short_memory import ShortMemory
from adapters.source_fetcher import SourceFetcher
from adapters.submission import Submission
from adapters.templates import Templates
from adapters.tenant_table import TenantTable
from adapters.usage_records import UsageRecords
from adapters.webhook_sender import WebhookSender
from domain.open_buckets import OpenBuckets

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from adapters.once_per_key import OncePerKey
    from adapters.reconciliation import Reconciliation
    from domain.estimate import EstimateRates

# A function has seconds, not minutes: better a second attempt than one long wait.
_PATIENCE: dict[str, Any] = {"connect_timeout": 3, "read_timeout": 20, "retries": {"total_max_attempts": 4}}
_SESSION_SECONDS = 3600  # the longest that one role may have by way of another


def system_clock() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


class Service:
    """Everything a handler may need, each part made when it is first asked for.

    ``new_client`` makes AWS clients and takes what ``boto3.client`` takes.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = system_clock,
        fetcher: SourceFetcher | None = None,
        sender: WebhookSender | None = None,
        new_client: Callable[..., Any] = boto3.client,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._given_fetcher = fetcher
        self._given_sender = sender
        self._new_client = new_client

    @cached_property
    def s3(self) -> S3Client:
        """Client for the buckets."""
        return cast("S3Client", self._client("s3"))

    @cached_property
    def jobs(self) -> JobsTable:
        """The job records."""
        return JobsTable(self._client("dynamodb"), self._settings.jobs_table)

    @cached_property
    def secrets(self) -> SecretBox:
        """Sealed secrets."""
        return SecretBox(self._client("kms"), self._settings.secrets_key)

    @cached_property
    def access_keys(self) -> AccessKeys:
        """The access keys."""
        return AccessKeys(self._client("dynamodb"), self._settings.access_keys_table, self.secrets, self._clock)

    @cached_property
    def authentication(self) -> Authentication:
        """Who sends requests."""
        memory = ShortMemory(self._client("dynamodb"), self._settings.idempotency_table)
        return Authentication(self.access_keys, memory, self._clock)

    @cached_property
    def media(self) -> MediaBucket:
        """The bucket."""
        sources = OpenBuckets(self._settings.source_buckets, self._settings.bucket_grants)
        return MediaBucket(self.s3, self._settings.media_bucket, sources)

    @cached_property
    def outputs(self) -> OutputBuckets:
        """The buckets that results are copied to."""
        opened = OpenBuckets(self._settings.output_buckets, self._settings.bucket_grants)
        return OutputBuckets(self.s3, self._settings.media_bucket, opened)

    @cached_property
    def links(self) -> LinkSigner:
        """Links and upload forms."""
        settings = self._settings
        return LinkSigner(self._new_signer, settings.media_bucket, settings.link_lifetime_seconds, self._clock)

    @cached_property
    def reader(self) -> JobReader:
        """What the API shows of jobs."""
        return JobReader(self.jobs, self.media, self.links)

    @cached_property
    def submission(self) -> Submission:
        """The ways into and out of the queue."""
        slots = JobSlots(self._client("dynamodb"), self._settings.access_keys_table, self.jobs)
        admission = Admission(slots, self.usage, self._clock)
        return Submission(
            self.jobs,
            self.media,
            self.outputs,
            self._executions,
            admission,
            self._fetcher,
            self.models,
            self.templates,
            self.callbacks,
            self._job_end,
            self._clock,
        )

    @cached_property
    def templates(self) -> Templates:
        """Settings under a name."""
        return Templates(self._tenants, self._clock)

    @cached_property
    def callbacks(self) -> Callbacks:
        """Who is told of jobs' ends."""
        allowed = self._settings.allow_loopback_callbacks
        return Callbacks(self._tenants, self.secrets, self._clock, allow_loopback=allowed)

    @cached_property
    def callback_delivery(self) -> CallbackDelivery:
        """Tells of jobs' ends."""
        return CallbackDelivery(self.jobs, self.reader, self.callbacks, self._sender, self._clock)

    @cached_property
    def callback_queue(self) -> CallbackQueue:
        """Jobs' ends that wait to be told."""
        return CallbackQueue(self._client("sqs"), self._settings.callback_queue_url)

    @cached_property
    def usage(self) -> UsageRecords:
        """What jobs used."""
        return UsageRecords(self._tenants, self.media, self.links, self._clock)

    @cached_property
    def icons(self) -> Icons:
        """The icon library."""
        return Icons(self._tenants, self.media, self.links, self._clock)

    @cached_property
    def models(self) -> OwnModels:
        """Networks of the operator's own."""
        return OwnModels(self.media)

    @property
    def estimate_rates(self) -> EstimateRates:
        """How fast the stack's machines work, and what they cost."""
        return self._settings.estimate_rates

    @cached_property
    def processing(self) -> Processing:
        """The steps of the state machine."""
        return Processing(
            self.jobs,
            self.media,
            self.outputs,
            self.icons,
            self.models,
            self._fetcher,
            self._job_end,
            self._clock,
        )

    @cached_property
    def reconciliation(self) -> Reconciliation:
        """Ends the records of jobs whose execution is gone."""
        from adapters.reconciliation import Reconciliation  # noqa: PLC0415 - one function needs it

        return Reconciliation(self.jobs, self._executions, self.processing, self._clock)

    @cached_property
    def once_per_key(self) -> OncePerKey:
        """Idempotency keys."""
        from adapters.once_per_key import OncePerKey  # noqa: PLC0415 - a tenth of a second that one function needs

        return OncePerKey(self._client("dynamodb"), self._settings.idempotency_table)

    @cached_property
    def _executions(self) -> Executions:
        return Executions(
            self._client("stepfunctions"),
            self._client("batch"),
            self._settings.state_machine_arn,
            self._settings.job_queues,
        )

    @cached_property
    def _job_end(self) -> JobEnd:
        return JobEnd(self.usage, self.callbacks, self._client("events"), self.estimate_rates.price_per_hour)

    @cached_property
    def _sender(self) -> WebhookSender:
        if self._given_sender is not None:
            return self._given_sender
        return WebhookSender(self._network, self._settings.allow_loopback_callbacks)

    @cached_property
    def _tenants(self) -> TenantTable:
        return TenantTable(self._client("dynamodb"), self._settings.tenant_table)

    @cached_property
    def _fetcher(self) -> SourceFetcher:
        if self._given_fetcher is not None:
            return self._given_fetcher
        return SourceFetcher(self._network)

    @cached_property
    def _network(self) -> PublicNetwork:
        return PublicNetwork(resolve_by_system, connect_by_system, ssl.create_default_context())

    def _client(self, service: str) -> Any:
        return self._new_client(service, config=Config(**_PATIENCE))

    def _new_signer(self) -> Signer:
        # Path style for an endpoint of one's own, where a bucket in the host name would lead nowhere.
        endpoint = self._settings.public_s3_endpoint or None
        config = Config(signature_version="s3v4", s3={"addressing_style": "path" if endpoint else "auto"})
        if not self._settings.link_signer_role_arn:
            return Signer(self._new_client("s3", endpoint_url=endpoint, config=config), expires_at=None)
        session = self._client("sts").assume_role(
            RoleArn=self._settings.link_signer_role_arn, RoleSessionName="links", DurationSeconds=_SESSION_SECONDS
        )["Credentials"]
        client = self._new_client(
            "s3",
            endpoint_url=endpoint,
            config=config,
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )
        return Signer(client, session["Expiration"])


_process_service: Service | None = None


def current_service() -> Service:
    """Return this process's service, made from the environment at the first call."""
    global _process_service  # noqa: PLW0603 - one per process is what it is for
    if _process_service is None:
        _process_service = Service(process_settings())
    return _process_service


def use_service(service: Service | None) -> None:
    """Let this process use another service; None for a new one from the environment at the next call."""
    global _process_service  # noqa: PLW0603
    _process_service = service
