"""The bench's captions lie within their clips, and the first ten cases stay what they were."""

import pytest

from bench.cases import CASES, CORE_CASES, Planned, captions_of


def test_earlier_figures_stay_comparable():
    assert CASES[:10] == CORE_CASES
    assert all(not case.captions for case in CORE_CASES), "chance draws them, seeded with their place in the list"


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_captions_lie_within_the_case_and_lines_do_not_cross(number):
    case = CASES[number]
    captions = captions_of(case, number)
    assert captions
    assert captions == captions_of(case, number)
    for caption in captions:
        assert 0 <= caption.start < caption.end <= case.frames
    for first in captions:
        for second in captions:
            if first is not second and first.style.baseline == second.style.baseline:
                assert first.end <= second.start or second.end <= first.start


def test_the_cases_hold_what_they_are_there_for():
    planned: list[Planned] = [caption for case in CASES for caption in case.captions]
    assert {caption.style.plate for caption in planned} >= {0.3, 0.5, 0.7, 1.0}
    assert sum(caption.end - caption.start < 15 for caption in planned) >= 4, "shorter than 0.6 s"
    assert len({case.name for case in CASES}) == len(CASES)
