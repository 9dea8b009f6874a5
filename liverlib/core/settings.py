"""Settings: frozen dataclasses, saved as JSON beside what was made with them.

There is no other configuration. Notebooks build settings by hand, the command line makes its
arguments from their fields, and their digest names what was made with them. Each field declares
what it allows; settings from Python, JSON and the command line are checked when they are made.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from .errors import LiverlibError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")
SEEDS = (0, 2**32 - 1)  # the lowest and the highest
_WRONG = object()  # what a value of a wrong type becomes


def setting(
    default: Any,
    help: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
    option: str = "",
) -> Any:
    """A field of a settings dataclass; ``--help`` shows its `help`.

    A number, or each number of a tuple, is `low` to `high`; a text is one of `choices`. `option`
    is its name on the command line, where that is not made from the field's.
    """
    allowed = {"low": low, "high": high, "choices": choices, "option": option}
    return dataclasses.field(default=default, metadata={"help": help, **allowed})


class CheckedSettings:
    """Settings that are checked when they are made: each field's type, range and choices.

    Equal values of another type are brought to the field's (1 to 1.0, lists to tuples), so that
    equal settings have equal digests.
    """

    def __post_init__(self) -> None:
        """Raises `LiverlibError` for the first value that its field does not allow."""
        hints = get_type_hints(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            given, kind = getattr(self, field.name), hints[field.name]
            value = _converted(given, kind)
            right = value is not _WRONG and _within(value, field.metadata)
            name = field.metadata.get("option") or field.name
            require(right, name, given, _allowed(kind, field.metadata))
            object.__setattr__(self, field.name, value)


def require(right: bool, name: str, value: Any, allowed: str) -> None:
    """Raises `LiverlibError` for the value of a setting, unless it is right: what is allowed."""
    if not right:
        parts = value if isinstance(value, list | tuple) else [value]
        text = " ".join(map(str, parts)) or "(empty)"
        text = text if len(text) <= 60 else f"{text[:60]}…"
        raise LiverlibError(f"{name} {text}: must be {allowed}.")


def to_dict(settings: "DataclassInstance") -> dict[str, Any]:
    """The settings as plain JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))


def from_dict(cls: type[Settings], values: dict[str, Any]) -> Settings:
    """Settings from `to_dict`'s values.

    Raises `LiverlibError` for a field that `cls` lacks, and for a value that a field forbids.
    """
    if not isinstance(values, Mapping):
        raise LiverlibError(f"{cls.__name__}: not settings. Write each as a name and its value.")
    known = {field.name for field in dataclasses.fields(cls)}
    if unknown := set(values) - known:
        raise LiverlibError(
            f"{cls.__name__} has no {', '.join(sorted(unknown))}: written by a newer version? "
            "Update liverlib, or remove the field."
        )
    return cls(**values)


def digest(*settings: Any) -> str:
    """Twelve hexadecimal digits that change with any of the settings (or JSON values)."""
    values = [_to_json(item) for item in settings]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def _to_json(item: Any) -> Any:
    is_settings = dataclasses.is_dataclass(item) and not isinstance(item, type)
    return to_dict(item) if is_settings else item


def _converted(value: Any, kind: Any) -> Any:
    """The value as the type that a field is annotated with; `_WRONG` where it is of another."""
    if kinds := get_args(kind):  # tuple[int, ...] or tuple[float, float]
        if not isinstance(value, list | tuple) or not value:
            return _WRONG
        kinds = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
        items = tuple(map(_converted, value, kinds))
        return items if len(value) == len(kinds) and _WRONG not in items else _WRONG
    if kind in (int, float):
        right = isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
        try:
            return kind(value) if right else _WRONG
        except OverflowError:  # an integer beyond all floats
            return _WRONG
    return value if isinstance(value, kind) else _WRONG


def _within(value: Any, allowed: Mapping[str, Any]) -> bool:
    """Whether the value, each of a tuple, is a number in its range, or one of the choices."""
    if isinstance(value, tuple):
        return all(_within(item, allowed) for item in value)
    if isinstance(value, str):
        return not allowed.get("choices") or value in allowed["choices"]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    return math.isfinite(value) and allowed.get("low", value) <= value <= allowed.get("high", value)


def _allowed(kind: Any, allowed: Mapping[str, Any]) -> str:
    """What a field allows, in words."""
    if choices := allowed.get("choices"):
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    if kinds := get_args(kind):
        count = "one or more" if kinds[-1] is Ellipsis else len(kinds)
        return f"{count} {'whole ' if kinds[0] is int else ''}numbers{range_text(allowed)}"
    words = {int: "a whole number", float: "a number", bool: "yes or no", str: "a text"}
    return words.get(kind, f"a {getattr(kind, '__name__', kind)}") + range_text(allowed)


def range_text(allowed: Mapping[str, Any]) -> str:
    """The range of a field's numbers, from its metadata: " from 0 to 1"; empty without one."""
    low, high = allowed.get("low", -math.inf), allowed.get("high", math.inf)
    return f" from {low} to {high}" if math.isfinite(high - low) else ""
