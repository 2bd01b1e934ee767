"""Networks of the operator's own: ONNX files under ``models/`` in the bucket; a job names one by its file's name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain import storage_keys
from domain.errors import ModelNotFoundError, SourceNotFoundError
from domain.job import MODEL_NAME_PATTERN, ObjectRef

if TYPE_CHECKING:
    from adapters.media_bucket import MediaBucket

#: More of them nobody looks through.
MAX_MODELS = 100


@dataclass(frozen=True, slots=True)
class OwnModels:
    """The registered networks. Whether a file is a network that doubles a picture is for the worker to find out."""

    media: MediaBucket

    def names(self) -> tuple[str, ...]:
        """Return the names that a job may ask for; files whose names are none are left out."""
        prefix, suffix = storage_keys.MODEL_PREFIX, storage_keys.MODEL_SUFFIX
        files = (key.removeprefix(prefix) for key in self.media.keys(prefix, MAX_MODELS))
        names = (file.removesuffix(suffix) for file in files if file.endswith(suffix))
        return tuple(name for name in names if re.fullmatch(MODEL_NAME_PATTERN, name))

    def find(self, name: str) -> ObjectRef:
        """Return the version of a network that is current now.

        Raises:
            ModelNotFoundError: there is none of that name.
        """
        try:
            return self.media.head(ObjectRef(bucket=self.media.name, key=storage_keys.model(name))).ref
        except SourceNotFoundError as error:
            raise ModelNotFoundError(f"no model {name} is registered", field="upscale.model") from error
