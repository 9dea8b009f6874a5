import pytest

from liverlib.core.errors import LiverlibError, SomeFailed, failure


@pytest.mark.parametrize(
    ("failures", "count", "kind", "text"),
    [
        (["a: bad"], 1, LiverlibError, "a: bad"),
        (["a: bad", "b: bad"], 2, LiverlibError, "2 of 2 scans failed:\n  a: bad\n  b: bad"),
        (["a: bad"], 3, SomeFailed, "1 of 3 scans failed:\n  a: bad"),
    ],
)
def test_a_part_that_failed_is_told_from_a_whole(failures, count, kind, text):
    error = failure("scans failed", failures, count, done="others")
    assert type(error) is kind and str(error) == text
    assert getattr(error, "done", "others") == "others"
