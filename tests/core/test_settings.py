import dataclasses

import pytest

from liverlib.core.errors import LiverlibError
from liverlib.core.settings import digest, from_dict, setting, to_dict


@dataclasses.dataclass(frozen=True)
class Example:
    channels: tuple[int, ...] = setting((8, 16), "of each level")
    shape: tuple[tuple[int, int], ...] = setting(((1, 2), (3, 4)), "nested")
    rate: float = setting(0.1, "of learning")


def test_settings_come_back_from_their_values_with_their_tuples():
    settings = Example(channels=(4,), rate=0.5)
    values = to_dict(settings)
    assert values == {"channels": [4], "shape": [[1, 2], [3, 4]], "rate": 0.5}
    assert from_dict(Example, values) == settings


def test_an_unknown_field_is_named():
    with pytest.raises(LiverlibError, match="Example has no colour, size"):
        from_dict(Example, {"size": 1, "rate": 0.1, "colour": 2})


def test_a_digest_changes_with_any_value_and_with_nothing_else():
    assert digest(Example()) == digest(Example()) == digest(to_dict(Example()))
    assert len(digest(Example())) == 12
    digests = {digest(Example()), digest(Example(rate=0.2)), digest(Example(), 2), digest([1])}
    assert len(digests) == 4
    assert digest(["a", 1]) == "21cba725dbc2"  # names folders of existing caches
