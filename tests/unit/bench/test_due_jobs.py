"""The benchmark of due jobs: its jobs are due for what they stand for, and what was not done is seen."""

import pytest

from avatar_jobs.domain.job.due_timers import due_timer
from avatar_jobs.domain.job.model import Timer
from bench.due_jobs import MIX, due_job, missing
from tests.support.factories import NOW, later


@pytest.mark.parametrize("timer", list(MIX))
def test_a_job_is_due_for_its_timer_alone(timer: Timer) -> None:
    job = due_job(timer, 1, NOW)
    assert due_timer(job, later(1)) is timer
    assert set(job.timers) == {timer}


def test_what_was_not_done_is_seen() -> None:
    assert sum(MIX.values()) == 500
    assert missing({Timer.VERIFY: 3, Timer.PURGE: 2}, {"verified": 1, "purge": 9}) == {"verified": 2}
