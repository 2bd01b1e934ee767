from domain.job import JobRequest, Stage
from domain.progress import StageProgress, overall, stages_of

BOTH = JobRequest.model_validate(
    {"source": {"s3_uri": "s3://some-bucket/a.mp4"}, "erase": {}, "upscale": {"bitrate_mbps": 5}}
)
UPSCALE_ONLY = BOTH.model_copy(update={"erase": None})


def report(stage, done, segment=0, *, finished=False):
    return StageProgress(stage=stage, segment=segment, done=done, total=100, finished=finished)


def test_only_the_stages_of_the_request_count():
    assert stages_of(UPSCALE_ONLY) == (Stage.DETECT, Stage.UPSCALE, Stage.ASSEMBLE)
    assert overall(UPSCALE_ONLY, 1, [report(Stage.ERASE, 100, finished=True)]) == (None, 0)


def test_nothing_reported_is_nothing_done():
    assert overall(BOTH, 1, []) == (None, 0)


def test_progress_grows_with_every_report_and_never_says_all_done():
    reports = []
    seen = []
    for stage in stages_of(BOTH):
        seen.extend(overall(BOTH, 1, [*reports, report(stage, done)])[1] for done in (0, 50, 100))
        reports.append(report(stage, 100, finished=True))
        seen.append(overall(BOTH, 1, reports)[1])
    assert seen == sorted(seen)
    assert seen[-1] == 99


def test_segments_share_a_stage():
    detect = report(Stage.DETECT, 100, finished=True)
    one_of_four = overall(BOTH, 4, [detect, report(Stage.ERASE, 100, 2, finished=True)])[1]
    all_four = overall(BOTH, 4, [detect, *(report(Stage.ERASE, 100, n, finished=True) for n in range(4))])[1]
    assert one_of_four - 15 == (all_four - 15) // 4


def test_the_latest_stage_is_shown_whatever_the_order_of_the_reports():
    assert overall(BOTH, 1, [report(Stage.UPSCALE, 3), report(Stage.ERASE, 100)])[0] == Stage.UPSCALE
