"""The verdict is the worst that any reason calls for, and is told with all of them."""

import json

import pytest

from liverlib.core.verdict import AS_EXPECTED, LOOK_CLOSELY, NOT_TO_BE_USED, Quality, Reason

NOTE, LOOK = Reason("partial", "Cut.", AS_EXPECTED), Reason("liver", "Odd.")
REFUSED = Reason("offset", "No HU.", NOT_TO_BE_USED)


@pytest.mark.parametrize(
    ("reasons", "verdict"),
    [
        ([], AS_EXPECTED),
        ([NOTE], AS_EXPECTED),
        ([NOTE, LOOK], LOOK_CLOSELY),
        ([LOOK, REFUSED, NOTE], NOT_TO_BE_USED),
    ],
)
def test_the_worst_reason_decides(reasons, verdict):
    quality = Quality(tuple(reasons))
    assert (quality.verdict, quality.usable) == (verdict, verdict != NOT_TO_BE_USED)


def test_the_gravest_reason_is_told_first():
    assert Quality((NOTE, LOOK, REFUSED)).details == ["No HU.", "Odd.", "Cut."]


def test_the_headline_tells_the_predicted_dice_where_there_is_one():
    assert Quality((LOOK,)).headline == "look closely"
    told = Quality((), (0.81, 0.9, 0.95)).headline
    assert told == "as expected; predicted liver Dice 0.90 (0.81 to 0.95)"


def test_it_becomes_json():
    content = json.loads(json.dumps(Quality((LOOK,), (0.8, 0.9, 0.95)).to_dict()))
    assert content["verdict"] == LOOK_CLOSELY
    assert content["reasons"] == [{"cause": "liver", "text": "Odd.", "verdict": LOOK_CLOSELY}]
    assert content["liver_dice"] == [0.8, 0.9, 0.95]
