"""Shares and priorities, as Batch takes them."""

import pytest

from domain.scheduling import scheduling_of


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
