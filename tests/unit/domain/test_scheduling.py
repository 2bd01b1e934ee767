"""Shares and priorities, as Batch takes them."""

import pytest

from domain.access import PIECES_AT_ONCE
from domain.job import LAST_PRIORITY
from domain.scheduling import pieces_at_once, scheduling_of


@pytest.mark.parametrize("owner", ["a", "acme-films", "x" * 63])
def test_a_share_is_alphanumeric_and_its_owner_s_own(owner):
    share = scheduling_of(owner, 6).share
    assert share.isalnum()
    assert share.isascii()
    assert share == scheduling_of(owner, 1).share != scheduling_of(f"{owner}-", 6).share


def test_what_is_to_begin_first_has_the_largest_priority():
    priorities = [scheduling_of("acme", priority).priority for priority in range(1, 11)]
    assert priorities == sorted(set(priorities), reverse=True)
    assert 0 <= priorities[-1] < priorities[0] <= 9999  # what Batch takes


@pytest.mark.parametrize("quota", [1, 3, PIECES_AT_ONCE, 1000])
def test_an_urgent_job_has_all_the_pieces_that_its_key_allows_and_the_last_one_at_least_one(quota):
    allowed = [pieces_at_once(quota, priority) for priority in range(1, LAST_PRIORITY + 1)]
    assert allowed[0] == quota
    assert allowed == sorted(allowed, reverse=True)
    assert 1 <= allowed[-1] <= quota / LAST_PRIORITY + 1
