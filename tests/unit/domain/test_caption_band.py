"""Where captions are looked for: regions, the bottom of the picture, or anywhere."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domain.job import CaptionBand, CaptionErasure
from domain.regions import Region


def test_without_a_word_captions_are_at_the_bottom() -> None:
    assert CaptionErasure().band is CaptionBand.BOTTOM


def test_anywhere_goes_without_regions() -> None:
    assert CaptionErasure.model_validate({"band": "anywhere"}).band is CaptionBand.ANYWHERE
    with pytest.raises(ValidationError, match="give one or the other"):
        CaptionErasure(band=CaptionBand.ANYWHERE, regions=(Region(x=0, y=0, width=1, height=0.5),))


def test_anywhere_may_leave_something_alone() -> None:
    corner = Region(x=0.8, y=0, width=0.2, height=0.2)
    assert CaptionErasure(band=CaptionBand.ANYWHERE, keep=(corner,)).keep == (corner,)
