"""Composites drawn by lot: the same ones each time, other ones in each half."""

from bench.icon_finding import Match
from bench.icon_search import BACKGROUNDS, SearchResult, cases_of, report
from domain.detection import IconBehaviour

LOGOS = [f"tv/{number}.png" for number in range(20)]


def test_a_half_has_every_background_with_every_behaviour():
    cases = list(cases_of("look", LOGOS))
    assert len({name for name, _ in cases}) == len(cases) == len(BACKGROUNDS) * len(IconBehaviour)
    spans = {(kind, file): (first, end) for kind, file, first, end in BACKGROUNDS}
    for _, case in cases:
        first, end = spans[case.kind, case.file]
        assert first <= case.start
        assert case.start + case.frames <= end


def test_the_lot_is_the_same_each_time_and_another_one_in_the_other_half():
    assert list(cases_of("look", LOGOS)) == list(cases_of("look", LOGOS))
    look, judge = ([case for _, case in cases_of(half, LOGOS)] for half in ("look", "judge"))
    assert not set(look) & set(judge)


def test_recall_and_precision_are_told_by_background():
    name, case = next(cases_of("look", LOGOS))
    found, missed = Match(0, 0, 0.8, 1), Match(None, 1, 0.0, None)
    results = [SearchResult(name, case, match, (), 20.0) for match in (found, missed)]
    assert "| moving or cuts | 2 | 0.50 | 0.50 | 1 |" in report(results)
