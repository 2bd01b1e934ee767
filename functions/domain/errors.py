"""What can go wrong with a job, split by who can do something about it.

    SmartEraseError
    ├── InvalidRequestError            the caller must change the request
    │   ├── MissingParameterError      an RPC call lacks a parameter
    │   ├── FunctionNotSupportedError  an RPC call asks for a function that is not there
    │   ├── InvalidSourceUrlError      the URL has a form that is never fetched
    │   ├── BlockedAddressError        the URL points into a private network
    │   ├── InvalidCallbackUrlError    the URL has a form that is never called
    │   └── TemplateKindMismatchError  the template is one for something else
    ├── RequestTooLargeError
    ├── AuthenticationError            the service does not know who calls
    │   ├── MissingCredentialsError
    │   ├── UnknownAccessKeyError
    │   ├── WrongSecretError
    │   ├── InactiveAccessKeyError
    │   ├── IncompleteSignatureError
    │   ├── UnsupportedSignatureError
    │   ├── SignatureMismatchError
    │   ├── RequestExpiredError
    │   └── NonceReusedError
    ├── ForbiddenError                 the access key is not meant for this
    ├── TooManyRequestsError           the caller must wait
    │   ├── RequestsTooFrequentError
    │   ├── TooManyJobsInFlightError
    │   └── MinutesUsedUpError
    ├── NotFoundError                  the caller named something that is not there
    │   ├── UnknownActionError
    │   ├── CallbackNotFoundError
    │   ├── IconNotFoundError
    │   ├── JobNotFoundError
    │   ├── ModelNotFoundError
    │   ├── TemplateNotFoundError
    │   └── UploadNotFoundError
    ├── ConflictError                  the request is well formed, but not now
    │   ├── JobNotCancellableError
    │   ├── TooManyTemplatesError
    │   ├── TooManyIconsError
    │   ├── InvalidTransitionError
    │   ├── IdempotencyConflictError
    │   └── OutputNotWritableError
    └── BadSourceError                 the file must change; never retried; worker exit code 2
        ├── SourceNotFoundError
        ├── SourceFetchError
        ├── SourceTooLargeError
        ├── UnreadableVideoError
        ├── NoVideoStreamError
        ├── UnsupportedCodecError
        ├── EncryptedSourceError
        ├── UnsupportedIconFormatError
        ├── UnsafeIconError
        ├── InvalidIconError
        ├── UnsupportedContainerError
        └── UnsupportedResolutionError

The class names are public: the state machine's ``ErrorEquals`` matches them, and a job's ``error.code`` is the class
name without ``Error``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar


class SmartEraseError(Exception):
    """Raised when a request or a job cannot go on for a reason that its owner can be told.

    ``message`` is one sentence that says what is wrong and what is allowed. ``field`` names the request field at fault,
    where there is one.
    """

    code: ClassVar[str] = "SmartErase"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.code = cls.__name__.removesuffix("Error")

    def __init__(self, message: str, *, field: str | None = None, allowed: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.allowed = allowed


class InvalidRequestError(SmartEraseError):
    """Raised when a request breaks a rule of the API; the caller must change it."""


class MissingParameterError(InvalidRequestError):
    """Raised when a call lacks a parameter that its operation needs."""


class FunctionNotSupportedError(InvalidRequestError):
    """Raised when a call asks for a function of the operation that this service does not have."""


class InvalidSourceUrlError(InvalidRequestError):
    """Raised when a source URL has a form that is never fetched: another scheme, credentials, Chinese characters."""


class BlockedAddressError(InvalidRequestError):
    """Raised when a source URL leads to a private, loopback, link-local, metadata or otherwise non-public address."""


class InvalidCallbackUrlError(InvalidRequestError):
    """Raised when a callback's URL has a form that is never called: another scheme, credentials, an unusual port."""


class TemplateKindMismatchError(InvalidRequestError):
    """Raised when a template for captions is named where one for icons belongs, or the other way round."""


class RequestTooLargeError(SmartEraseError):
    """Raised when the body of a request is larger than any request needs."""


class AuthenticationError(SmartEraseError):
    """Raised when the service does not know who calls."""


class MissingCredentialsError(AuthenticationError):
    """Raised when a request carries no access key, or not in the form Bearer KEY_ID.SECRET."""


class UnknownAccessKeyError(AuthenticationError):
    """Raised when no access key has the given ID."""


class WrongSecretError(AuthenticationError):
    """Raised when the secret is not that of the access key."""


class InactiveAccessKeyError(AuthenticationError):
    """Raised when the access key was revoked or has expired."""


class IncompleteSignatureError(AuthenticationError):
    """Raised when a signed request lacks its signature or a part that has to be signed."""


class UnsupportedSignatureError(AuthenticationError):
    """Raised when a request is signed with another algorithm than ACS3-HMAC-SHA256."""


class SignatureMismatchError(AuthenticationError):
    """Raised when a signature is not that of the request and the access key's secret."""


class RequestExpiredError(AuthenticationError):
    """Raised when a signed request's clock is more than 15 minutes from the service's."""


class NonceReusedError(AuthenticationError):
    """Raised when a signed request comes a second time: each nonce is taken once."""


class ForbiddenError(SmartEraseError):
    """Raised when the access key has not the scope for the operation."""


class TooManyRequestsError(SmartEraseError):
    """Raised when a quota of the access key is used up; the caller must wait.

    ``retry_after_seconds`` is when it is worth trying again.
    """

    retry_after_seconds: ClassVar[int] = 1


class RequestsTooFrequentError(TooManyRequestsError):
    """Raised when an access key sends more requests in a second than its quota allows."""


class TooManyJobsInFlightError(TooManyRequestsError):
    """Raised when an access key has as many unfinished jobs as its quota allows."""

    retry_after_seconds = 30


class MinutesUsedUpError(TooManyRequestsError):
    """Raised when the minutes of video of this month are used up."""

    retry_after_seconds = 3600


class BudgetUsedUpError(TooManyRequestsError):
    """Raised when the budget of the service's operator is used up: no job is admitted until it is raised."""

    retry_after_seconds = 3600


class NotFoundError(SmartEraseError):
    """Raised when the caller names something that is not there."""


class CallbackNotFoundError(NotFoundError):
    """Raised when callback settings are asked for and none were made."""


class UnknownActionError(NotFoundError):
    """Raised when an RPC call names an operation or a version that is not there."""


class ModelNotFoundError(NotFoundError):
    """Raised when no network of the given name is registered."""


class IconNotFoundError(NotFoundError):
    """Raised when no icon has the given ID."""


class JobNotFoundError(NotFoundError):
    """Raised when no job has the given ID."""


class TemplateNotFoundError(NotFoundError):
    """Raised when no template has the given ID."""


class UploadNotFoundError(NotFoundError):
    """Raised when an upload ID is unknown, expired, or nothing was uploaded to it."""


class ConflictError(SmartEraseError):
    """Raised when a request is well formed but does not fit the present state."""


class JobNotCancellableError(ConflictError):
    """Raised when a job that has already ended is to be cancelled."""


class TooManyTemplatesError(ConflictError):
    """Raised when a template is to be created and as many as are kept are there."""


class TooManyIconsError(ConflictError):
    """Raised when an icon is to be created and as many as are kept are there."""


class InvalidTransitionError(ConflictError):
    """Raised when a job would leave a final status or skip one."""


class IdempotencyConflictError(ConflictError):
    """Raised when an idempotency key comes back with another request body."""


class OutputNotWritableError(ConflictError):
    """Raised when S3 refuses to write a result's copy to the output's bucket."""


class BadSourceError(SmartEraseError):
    """Raised when the source file itself cannot be processed; trying again cannot help."""


class SourceNotFoundError(BadSourceError):
    """Raised when the source object or URL does not exist."""


class SourceFetchError(BadSourceError):
    """Raised when a source URL answers, but not with the file."""


class SourceTooLargeError(BadSourceError):
    """Raised when the source is larger than the service takes."""


class UnreadableVideoError(BadSourceError):
    """Raised when the file is not a video, is truncated, or is damaged beyond decoding."""


class NoVideoStreamError(BadSourceError):
    """Raised when the file holds no decodable picture."""


class UnsupportedCodecError(BadSourceError):
    """Raised when no decoder is known for the video stream."""


class EncryptedSourceError(BadSourceError):
    """Raised when the video stream is encrypted (DRM)."""


class UnsupportedIconFormatError(BadSourceError):
    """Raised when an icon's file is neither a PNG nor an SVG."""


class UnsafeIconError(BadSourceError):
    """Raised when an icon's SVG does more than draw: it holds scripts, outside references, or endless copies."""


class InvalidIconError(BadSourceError):
    """Raised when an icon's picture is damaged, too small, too large, or has no transparency."""


class UnsupportedContainerError(BadSourceError):
    """Raised when the container is not accepted for the requested function."""


class UnsupportedResolutionError(BadSourceError):
    """Raised when the picture is too small or too large for the requested function."""


def _walk(root: type[SmartEraseError]) -> Iterator[type[SmartEraseError]]:
    yield root
    for child in root.__subclasses__():
        yield from _walk(child)


def public_errors() -> dict[str, type[SmartEraseError]]:
    """Return every public error class by its class name, as the state machine reports it."""
    return {cls.__name__: cls for cls in _walk(SmartEraseError)}
