"""One call of Action RPC as its operation sees it: parameters by name, who calls, and the service to call on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from adapters.once_per_key import IdempotencyKey
from adapters.service import Service
from domain.access import Caller
from domain.errors import InvalidRequestError, MissingParameterError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_Model = TypeVar("_Model", bound=BaseModel)
_CLIENT_TOKEN = "ClientToken"  # noqa: S105 - the name of a parameter
_MAX_CLIENT_TOKEN_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose sender is known. ``parameters`` are those of the query and the body, all texts."""

    action: str
    parameters: Mapping[str, str]
    caller: Caller
    service: Service
    context: LambdaContext

    @property
    def owner(self) -> str:
        """Whose call it is."""
        return self.caller.owner

    def text(self, name: str) -> str:
        """Return a parameter that has to be there.

        Raises:
            MissingParameterError: it is not, or it is empty.
        """
        value = self.parameters.get(name, "")
        if not value:
            raise MissingParameterError(f"the parameter {name} is required", field=name)
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number between ``low`` and ``high``, both included.

        Raises:
            InvalidRequestError: it is none, or outside.
        """
        return whole(self.parameters.get(name) or default, name, low, high)

    def json_object(self, name: str) -> dict[str, Any]:
        """Return a parameter that holds a JSON object as text; empty where it is not given.

        Raises:
            InvalidRequestError: it holds something else.
        """
        found = json_of(self.parameters.get(name) or "{}", name)
        if not isinstance(found, dict):
            raise InvalidRequestError(f"{name} must be a JSON object", field=name)
        return found

    def create_once(self, create: Callable[[], str]) -> str:
        """Return the ID of what ``create`` makes; the same call with the same ClientToken makes it once.

        Raises:
            IdempotencyConflictError: the token came before, with other parameters.
        """
        token = self.parameters.get(_CLIENT_TOKEN) or None
        if token is not None and len(token) > _MAX_CLIENT_TOKEN_LENGTH:
            raise InvalidRequestError(
                f"{_CLIENT_TOKEN} may have {_MAX_CLIENT_TOKEN_LENGTH} characters", field=_CLIENT_TOKEN
            )
        key = IdempotencyKey(self.owner, self.action, token)
        return self.service.once_per_key.run(create, key, self.own_parameters(), self.context)

    def own_parameters(self) -> dict[str, str]:
        """Return the parameters that belong to the operation, without the token that names the call."""
        return {name: value for name, value in self.parameters.items() if name != _CLIENT_TOKEN}


def json_of(text: str, name: str) -> Any:
    """Read JSON from a parameter.

    Raises:
        InvalidRequestError: it is not JSON, or nested beyond reason.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{name} is not JSON", field=name) from error


def whole(value: Any, name: str, low: int, high: int) -> int:
    """Return a whole number, given as such or as text, between ``low`` and ``high``, both included.

    Raises:
        InvalidRequestError: it is none, or outside.
    """
    text = str(value)
    if not text.isascii() or not text.isdigit() or len(text) > 15 or not low <= int(text) <= high:
        raise InvalidRequestError(
            f"{name} must be a whole number from {low} to {high}", field=name, allowed=f"{low}-{high}"
        )
    return int(text)


def validated(model: type[_Model], document: Mapping[str, Any], names: Mapping[str, str]) -> _Model:
    """Read a request of the service; an error names the RPC parameter, as ``names`` has it by the field's beginning.

    Raises:
        InvalidRequestError: it breaks a rule.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        field = next((name for beginning, name in names.items() if where.startswith(beginning)), where)
        message = str(first["msg"]).removeprefix("Value error, ")
        raise InvalidRequestError(f"{field}: {message}" if field else message, field=field or None) from error
