"""Runs an action once per idempotency key, and answers repetitions with what the first one answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyValidationError,
)

from domain.errors import ConflictError, IdempotencyConflictError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb.client import DynamoDBClient

_KEY_LIFETIME_SECONDS = 24 * 3600
_FIELD = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What a caller named a request with; None for a request that was not named.

    The same name of another owner, or for another operation, is another key.
    """

    owner: str
    operation: str
    name: str | None


class OncePerKey:
    """Remembers keys for a day in a table of Powertools' idempotency."""

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._store = DynamoDBPersistenceLayer(table_name=table_name, boto3_client=client)

    def run(
        self, action: Callable[[], str], key: IdempotencyKey, body: Mapping[str, Any], context: LambdaContext
    ) -> str:
        """Return what ``action`` returns, or returned when ``key`` came first with the same ``body`` (JSON).

        An action that raises is forgotten, so that the caller may try again.

        Raises:
            IdempotencyConflictError: the key came before, with another body.
            ConflictError: the first request with the key is still at work.
        """
        if key.name is None:
            return action()
        config = IdempotencyConfig(
            event_key_jmespath="key",
            payload_validation_jmespath="body",
            raise_on_no_idempotency_key=True,
            expires_after_seconds=_KEY_LIFETIME_SECONDS,
            hash_function="sha256",
            lambda_context=context,
        )

        def answer(*, payload: Mapping[str, Any]) -> str:  # noqa: ARG001 - the decorator makes the key of it
            return action()

        once = idempotent_function(
            answer,
            data_keyword_argument="payload",
            persistence_store=self._store,
            config=config,
            key_prefix="request",
        )
        try:
            return str(once(payload={"key": [key.owner, key.operation, key.name], "body": body}))
        except IdempotencyValidationError as error:
            raise IdempotencyConflictError(
                "this idempotency key was used before, with another request body", field=_FIELD
            ) from error
        except IdempotencyAlreadyInProgressError as error:
            raise ConflictError("a request with this idempotency key is being worked on", field=_FIELD) from error
