"""Progress: it never falls, ends at 1, and phases add up their seconds."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.domain.progress import BEGIN, ORDER, Phase, RunProgress, overall_progress


def test_phases_are_those_of_the_api_in_their_order() -> None:
    assert [str(phase) for phase in ORDER] == [
        "starting",
        "downloading",
        "preparing",
        "generating",
        "encoding",
        "uploading",
        "verifying",
    ]
    assert sorted(BEGIN.values()) == [BEGIN[phase] for phase in ORDER]


def test_the_last_phase_ends_at_one() -> None:
    assert overall_progress(Phase.VERIFYING, 1.0) == 1.0


def test_seconds_are_counted_by_phase() -> None:
    now = [0.0]
    progress = RunProgress(lambda: now[0])
    now[0] = 1.5
    progress.enter(Phase.DOWNLOADING)
    now[0] = 4.0
    snapshot = progress.snapshot()
    assert snapshot.phase is Phase.DOWNLOADING
    assert snapshot.stage_times == {"starting": 1.5, "downloading": 2.5}


@given(st.lists(st.tuples(st.sampled_from(ORDER), st.floats(allow_nan=False)), max_size=30))
def test_progress_never_falls_and_stays_between_0_and_1(steps: Any) -> None:
    progress = RunProgress(lambda: 0.0)
    last = 0.0
    for phase, fraction in steps:
        progress.enter(phase)
        progress.advance(fraction)
        assert last <= progress.snapshot().progress <= 1
        last = progress.snapshot().progress


def test_a_change_of_phase_calls_the_listener() -> None:
    heard = []
    progress = RunProgress(lambda: 0.0)
    progress.on_phase = lambda: heard.append(progress.snapshot().phase)
    progress.enter(Phase.UPLOADING)
    assert heard == [Phase.UPLOADING]
