"""Settings: frozen dataclasses, saved as JSON beside what was made with them.

There is no other configuration. Notebooks build settings by hand, the command line makes its
arguments from their fields, and their digest names what was made with them.
"""

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import LiverlibError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


def setting(default: Any, help: str) -> Any:
    """A field of a settings dataclass; ``--help`` shows its `help`."""
    return dataclasses.field(default=default, metadata={"help": help})


def to_dict(settings: "DataclassInstance") -> dict[str, Any]:
    """The settings as plain JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))


def from_dict(cls: type[Settings], values: dict[str, Any]) -> Settings:
    """Settings from `to_dict`'s values; raises `LiverlibError` for a field that `cls` lacks."""
    known = {field.name for field in dataclasses.fields(cls)}
    if unknown := set(values) - known:
        raise LiverlibError(
            f"{cls.__name__} has no {', '.join(sorted(unknown))}: written by a newer version? "
            "Update liverlib, or remove the field."
        )
    return cls(**{name: _to_tuples(value) for name, value in values.items()})


def digest(*settings: Any) -> str:
    """Twelve hexadecimal digits that change with any of the settings (or JSON values)."""
    values = [_to_json(item) for item in settings]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def _to_json(item: Any) -> Any:
    is_settings = dataclasses.is_dataclass(item) and not isinstance(item, type)
    return to_dict(item) if is_settings else item


def _to_tuples(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    return tuple(_to_tuples(item) for item in value) if isinstance(value, list) else value
