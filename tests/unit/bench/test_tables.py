"""The tables say what was measured, case by case, and hold it against what is asked for."""

from dataclasses import replace

import pytest

from bench.cases import Case
from bench.residual import Residual
from bench.scoring import CaseResult, FindingScore, Speed, VersionScore
from bench.tables import gates, report


def version(psnr, residual=(0, 10, 0)):
    return VersionScore(
        psnr=psnr,
        chroma_psnr=40.0,
        ssim=0.9,
        ring_psnr=44.0,
        ring_ssim=0.98,
        outside_psnr=45.0,
        free_elsewhere_psnr=psnr,
        never_free_psnr=None,
        shown_psnr=psnr,
        made_up_psnr=psnr - 5,
        made_up_flicker=1.0,
        flicker=1.5,
        ghost=0.01,
        residual=Residual(*residual),
    )


@pytest.fixture
def result():
    return CaseResult(
        case=Case("pan", "clip.mp4", 10, 100),
        is_core=True,
        versions={
            "untouched": version(10.0, (10, 10, 0)),
            "Telea, true mask": version(25.0),
            "spatial fill, true mask": version(26.0),
            "Normal": version(29.0, (1, 8, 2)),
            "Normal, no network": version(27.5),
            "Premium": version(30.0),
            "Normal, true mask": version(29.5),
        },
        finding=FindingScore(
            recall=0.99,
            precision=0.98,
            size=1.1,
            end_errors=(0, 1, 2, None),
            false_events=0,
            damaged=3,
            caption_free=40,
            changed_outside=0,
        ),
        coverage=0.9,
        made_up_share=0.25,
        speed=Speed(transcode=100.0, job=30.0, detect=200.0, erase=40.0),
    )


def test_gates_compare_with_what_is_asked_for(result):
    measured = {gate: (asked, figure) for gate, asked, figure in gates([result])}
    assert measured["Normal over Telea with the true mask, all cases"] == (">= 2 dB", "4.00 dB")
    assert measured["Normal over Normal with the true mask"] == (">= -1 dB", "-0.50 dB")
    assert measured["Premium over Normal"] == (">= 1 dB", "1.00 dB")
    assert measured["Normal over the spatial fill: pixels that nothing shows (25 %)"] == (">= 1.5 dB", "3.00 dB")
    assert measured["the same over no network"] == (">= 1.5 dB", "1.50 dB")
    assert measured["over no network, pixels that other frames show"] == (">= -0.1 dB", "1.50 dB")
    assert measured["Premium over Normal, pixels that nothing shows"] == (">= 0 dB", "1.00 dB")
    assert measured["flicker there, Premium / Normal"][1] == "1.00 / 1.00"
    assert measured["flicker of pixels that nothing shows, with / without"][1] == "1.00 / 1.00"
    assert measured["frames with residual text, Normal"][1].startswith("1 of 8 (12.5 %)")
    assert measured["events whose ends are within a frame"][1] == "2 of 4"
    assert measured["caption-free frames changed before encoding"][1] == "3 of 40"


def test_a_mean_is_over_cases_and_earlier_figures_have_their_own(result):
    other = replace(result, is_core=False, versions={name: version(20.0) for name in result.versions})
    text = report([result, other])
    assert "| **mean of the first ten** | 10.00 | 25.00 | 26.00 | 29.00 | 27.50 | 30.00 | 29.50 |" in text
    assert "| **mean of all** | 15.00 | 22.50 | 23.00 | 24.50 | 23.75 | 25.00 | 24.75 |" in text
    assert "| 0 1 2 missed |" in text
    assert "30 (0.30x) | 200 (2.00x) | 40 (0.40x)" in text


def test_what_was_not_measured_is_a_dash(result):
    untouched = next(line for line in report([result]).splitlines() if line.startswith("| untouched"))
    assert "| 10.00 | - | 10.00 | 5.00 | 1.00 | 44.00 |" in untouched
