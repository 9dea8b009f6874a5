"""Settings are frozen dataclasses, one a stage, saved as JSON beside what they made.

There is no other configuration: notebooks build them by hand, the command line makes its
arguments from their fields, and a digest of them names what was made with them.
"""

import dataclasses
import hashlib
import json
from typing import Any, TypeVar

from .errors import LiverlibError

Settings = TypeVar("Settings")


def setting(default: Any, help: str) -> Any:
    """A field of a settings dataclass; `help` serves the reader and ``--help`` alike."""
    return dataclasses.field(default=default, metadata={"help": help})


def to_dict(settings: object) -> dict:
    """The settings as plain JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))


def from_dict(cls: type[Settings], values: dict) -> Settings:
    """Settings from `to_dict`'s values; raises `LiverlibError` for a field that `cls` lacks."""
    known = {field.name for field in dataclasses.fields(cls)}
    if unknown := set(values) - known:
        raise LiverlibError(
            f"{cls.__name__} has no {', '.join(sorted(unknown))}: written by a newer version? "
            "Update liverlib, or remove the field."
        )
    return cls(**{name: _tuples(value) for name, value in values.items()})


def digest(*settings: object) -> str:
    """Twelve hexadecimal digits that change when any of the settings (or JSON values) does."""
    described = [to_dict(one) if dataclasses.is_dataclass(one) else one for one in settings]
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
