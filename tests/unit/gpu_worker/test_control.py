"""When a run stops: its own time, the control plane's answer, cancellation, shutdown."""

import pytest

from gpu_worker.domain.control import RunControl, StopReason
from gpu_worker.domain.failures import ErrorCode, JobError, SupersededError


class FakeClock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_run_goes_on_until_its_own_time_is_over(clock: FakeClock) -> None:
    control = RunControl(clock, 60)
    clock.now += 59.9
    control.check()
    clock.now += 0.1
    with pytest.raises(JobError) as caught:
        control.check()
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.RUN_TIMEOUT, False)


def test_the_latest_time_left_from_the_control_plane_counts(clock: FakeClock) -> None:
    control = RunControl(clock, 600)
    control.limit(5)
    clock.now += 3
    control.limit(20)
    clock.now += 19
    control.check()
    clock.now += 1
    assert control.stop_reason() is StopReason.DEADLINE


def test_the_control_plane_cannot_add_to_the_runs_own_time(clock: FakeClock) -> None:
    control = RunControl(clock, 60)
    control.limit(10_000)
    assert control.remaining_sec() == 60


@pytest.mark.parametrize("seconds", [0, -5])
def test_no_time_left_stops_at_once(clock: FakeClock, seconds: float) -> None:
    control = RunControl(clock, 60)
    control.limit(seconds)
    assert (control.stop_reason(), control.remaining_sec()) == (StopReason.DEADLINE, 0)


def test_a_superseded_run_says_so_also_after_its_time(clock: FakeClock) -> None:
    control = RunControl(clock, 60)
    control.supersede()
    clock.now += 100
    with pytest.raises(SupersededError):
        control.check()


def test_shutdown_is_retryable_and_the_first_reason_to_stop_counts(clock: FakeClock) -> None:
    control = RunControl(clock, 60)
    control.interrupt()
    control.supersede()
    with pytest.raises(JobError) as caught:
        control.check()
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.WORKER_INTERRUPTED, True)


def test_a_pause_ends_when_the_run_is_stopped(clock: FakeClock) -> None:
    control = RunControl(clock, 60)
    control.supersede()
    with pytest.raises(SupersededError):
        control.pause(30)  # the test's own time limit would end a real wait
