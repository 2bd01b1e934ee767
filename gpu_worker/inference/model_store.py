"""Where the networks' weights lie and what is known of them: behind ``doctor``, ``models`` and every session."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_WORKER_ROOT = Path(__file__).resolve().parent.parent
_CATALOGUE = Path(__file__).resolve().with_name("models.toml")


class ModelError(Exception):
    """Raised when a network cannot be used; the installation is at fault, not the video."""


class UnknownModelError(ModelError):
    """Raised when no model of the given name is listed."""


class MissingModelError(ModelError):
    """Raised when a model's file is not installed."""


class DamagedModelError(ModelError):
    """Raised when a model's file is not the one that was listed: its SHA-256 differs."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One line of the catalogue. ``package`` is empty for weights of our own."""

    name: str
    task: str
    path: str
    sha256: str
    licence: str
    source: str
    package: str = ""
    facts: dict[str, str | int] = field(default_factory=dict)


@cache
def list_models(catalogue: Path = _CATALOGUE) -> tuple[ModelCard, ...]:
    """Return all listed models, in the catalogue's order."""
    with catalogue.open("rb") as stream:
        return tuple(ModelCard(**entry) for entry in tomllib.load(stream)["model"])


def find_model(name: str, catalogue: Path = _CATALOGUE) -> ModelCard:
    """Return the card of a model.

    Raises:
        UnknownModelError: when the catalogue does not list it.
    """
    for card in list_models(catalogue):
        if card.name == name:
            return card
    known = ", ".join(card.name for card in list_models(catalogue))
    raise UnknownModelError(f"there is no model {name}; known: {known}")


def locate(card: ModelCard) -> Path:
    """Return the path of a model's weights without opening them.

    Raises:
        MissingModelError: when the package or the file is not installed.
    """
    root: Path | None = _WORKER_ROOT / "models"
    if card.package:
        # find_spec does not import the package: rapidocr's own import takes a second that nobody here needs.
        spec = find_spec(card.package)
        root = Path(spec.origin).parent if spec is not None and spec.origin is not None else None
    if root is None or not (root / card.path).is_file():
        raise MissingModelError(
            f"the weights of {card.name} are not installed ({card.package or 'models'}: {card.path})"
        )
    return root / card.path


@cache
def verified_path(card_name: str, catalogue: Path = _CATALOGUE) -> Path:
    """Return the path of a model's weights after comparing their SHA-256 with the catalogue, once per process.

    Raises:
        UnknownModelError: when the catalogue does not list it.
        MissingModelError: when it is not installed.
        DamagedModelError: when the digests differ.
    """
    card = find_model(card_name, catalogue)
    path = locate(card)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != card.sha256:
        raise DamagedModelError(f"the weights of {card.name} have SHA-256 {digest}, the catalogue says {card.sha256}")
    return path
