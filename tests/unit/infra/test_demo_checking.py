"""Shows that the demo's checks find what is off."""

from dataclasses import replace
from typing import Any

import pytest

from infra.local.demo.checking import Video, callback_faults, job_faults, video_faults
from infra.local.demo.story import record_lines

JOB: dict[str, Any] = {
    "id": "1", "status": "succeeded", "progress": 1.0, "output_url": "http://127.0.0.1/v.mp4", "error": None,
}  # fmt: skip
VIDEO = Video(74, 512, 512, "25/1", "h264", "aac", 2.96)


def test_a_good_job_callback_and_video_have_no_faults() -> None:
    assert job_faults(JOB) == []
    assert callback_faults(JOB | {"type": "avatar.job.succeeded", "done": True}, JOB) == []
    assert video_faults(VIDEO, 2.99, {"frames": 74}) == []


def test_a_failed_job_is_reported_with_its_code_and_message() -> None:
    failed = JOB | {"status": "failed", "error": {"code": "media_corrupt", "message": "no frames"}}
    assert job_faults(failed) == ["the job ended as failed: media_corrupt (no frames)"]


def test_the_record_lists_every_status_and_the_seconds_of_each_stage() -> None:
    job = JOB | {
        "created_at": "2026-11-25T12:00:00.000Z", "started_at": "2026-11-25T12:00:00.500Z",
        "finished_at": "2026-11-25T12:00:02.000Z", "metrics": {"stages": {"downloading": 0.01, "generating": 1.2}},
    }  # fmt: skip
    assert record_lines(job) == [
        "  queued     after 0.0 s",
        "  running    after 0.5 s",
        "  succeeded  after 2.0 s",
        "  seconds by stage: downloading 0.01, generating 1.20",
    ]
    cancelled = job | {"status": "cancelled", "started_at": None, "metrics": None}
    assert record_lines(cancelled) == ["  queued     after 0.0 s", "  cancelled  after 2.0 s"]


def test_a_callback_about_another_job_is_a_fault() -> None:
    other = {"type": "avatar.job.succeeded", "id": "2", "status": "succeeded", "done": True}
    assert callback_faults(other, JOB) == ["the callback says id '2' instead of '1'"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"frames": 73}, "73 frames"),
        ({"fps": "30/1"}, "30/1"),
        ({"audio_codec": None}, "None"),
        ({"video_codec": "hevc"}, "hevc"),
        ({"width": 511}, "511x512"),
    ],
)
def test_each_deviation_of_the_video_is_named(change: dict[str, Any], word: str) -> None:
    faults = video_faults(replace(VIDEO, **change), 2.99, {})
    assert len(faults) == 1
    assert word in faults[0]


def test_the_frames_of_the_metrics_are_those_of_the_file() -> None:
    assert video_faults(VIDEO, None, {"frames": 75}) == ["the job's metrics say 75 frames, the file has 74"]
