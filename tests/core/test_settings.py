import dataclasses
import math

import pytest

from liverlib.core.errors import LiverlibError
from liverlib.core.settings import CheckedSettings, digest, from_dict, require, setting, to_dict


@dataclasses.dataclass(frozen=True)
class Example(CheckedSettings):
    channels: tuple[int, ...] = setting((8, 16), "of each level", low=1, high=64)
    shape: tuple[tuple[int, int], ...] = setting(((1, 2), (3, 4)), "nested")
    rate: float = setting(0.1, "of learning", low=0, high=1, option="--learning-rate")
    window: tuple[float, float] = setting((-60.0, 200.0), "in HU")
    kind: str = setting("body", "of cube", choices=("body", "liver", "all"))
    on: bool = setting(True, "or off")
    name: str = setting("", "of anything")


def test_settings_come_back_from_their_values_with_their_tuples():
    settings = Example(channels=(4,), rate=0.5)
    values = to_dict(settings)
    assert values["channels"] == [4] and values["shape"] == [[1, 2], [3, 4]]
    assert from_dict(Example, values) == settings


def test_an_unknown_field_is_named():
    with pytest.raises(LiverlibError, match="Example has no colour, size"):
        from_dict(Example, {"size": 1, "rate": 0.1, "colour": 2})
    with pytest.raises(LiverlibError, match="Example: not settings"):
        from_dict(Example, ["rate"])


def test_a_digest_changes_with_any_value_and_with_nothing_else():
    assert digest(Example()) == digest(Example()) == digest(to_dict(Example()))
    assert len(digest(Example())) == 12
    digests = {digest(Example()), digest(Example(rate=0.2)), digest(Example(), 2), digest([1])}
    assert len(digests) == 4
    assert digest(["a", 1]) == "21cba725dbc2"  # names folders of existing caches


def test_equal_settings_have_equal_digests_whatever_type_their_numbers_had():
    whole, plain = Example(rate=1, window=[-60, 200]), Example(rate=1.0)
    assert whole == plain and digest(whole) == digest(plain)
    assert hash(whole) == hash(plain)
    assert type(whole.rate) is float and whole.window == (-60.0, 200.0)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"rate": math.nan}, "--learning-rate nan: must be a number from 0 to 1."),
        ({"rate": 10**400}, "must be a number from 0 to 1."),
        ({"rate": -1e-9}, "--learning-rate -1e-09: must be"),
        ({"rate": True}, "--learning-rate True: must be"),
        ({"rate": None}, "--learning-rate None: must be"),
        ({"channels": ()}, r"channels \(empty\): must be one or more whole numbers from 1 to 64."),
        ({"channels": (8, 65)}, "channels 8 65: must be one or more"),
        ({"channels": (8.0,)}, "channels 8.0: must be one or more"),
        ({"channels": (8, True)}, "channels 8 True: must be one or more"),
        ({"channels": 8}, "channels 8: must be one or more"),
        ({"window": (1.0, 2.0, 3.0)}, "window 1.0 2.0 3.0: must be 2 numbers."),
        ({"window": (1.0, math.inf)}, "window 1.0 inf: must be 2 numbers."),
        ({"kind": "foo"}, "kind foo: must be body, liver or all."),
        ({"kind": "k" * 999}, f"kind {'k' * 60}…: must be body"),
        ({"on": 1}, "on 1: must be yes or no."),
        ({"name": 7}, "name 7: must be a text."),
    ],
)
def test_a_value_that_its_field_forbids_is_named_with_what_is_allowed(values, text):
    with pytest.raises(LiverlibError, match=text):
        Example(**values)
    with pytest.raises(LiverlibError, match=text):
        from_dict(Example, values)
    with pytest.raises(LiverlibError, match=text):
        dataclasses.replace(Example(), **values)


def test_what_only_a_class_can_tell_is_required_in_the_same_words():
    require(True, "window", (1, 2), "anything")
    with pytest.raises(LiverlibError, match=r"^window 2 1: must be rising\.$"):
        require(False, "window", (2, 1), "rising")
