"""The metrics in log lines: correct when known, omitted when unknown."""

from datetime import timedelta
from typing import Any

import pytest

from avatar_jobs.domain.job.model import JobStatus, Timer
from avatar_jobs.domain.metrics import due_metrics, fleet_metrics, gap_metrics, job_metrics
from tests.support.factories import NOW, a_job

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("status", "started", "expected"),
    [
        (JobStatus.SUCCEEDED, 40, {"wait_seconds": 40.0, "run_seconds": 60.0}),
        (JobStatus.FAILED, 40, {"wait_seconds": 40.0, "run_seconds": 60.0}),
        (JobStatus.CANCELLED, 40, {"wait_seconds": 40.0, "run_seconds": 60.0}),
        (JobStatus.FAILED, None, {"wait_seconds": 100.0}),  # it waited in vain: the longest waits are among these
        (JobStatus.CANCELLED, None, {}),
    ],
)
def test_the_metrics_of_a_finished_job_are_its_wait_and_its_run(
    status: JobStatus, started: int | None, expected: dict[str, float]
) -> None:
    job = a_job().model_copy(
        update={
            "status": status,
            "created_at": NOW,
            "started_at": None if started is None else NOW + timedelta(seconds=started),
            "finished_at": NOW + timedelta(seconds=100),
        }
    )
    assert job_metrics(job) == expected


def test_an_unfinished_job_has_no_metrics() -> None:
    assert job_metrics(a_job()) == {}


def test_the_metrics_of_due_timers_are_the_callbacks_due_and_the_longest_delay() -> None:
    late, later, not_yet, other = (
        a_job().model_copy(update={"timers": timers})
        for timers in (
            {Timer.CALLBACK: NOW - timedelta(seconds=5)},
            {Timer.CALLBACK: NOW - timedelta(seconds=300), Timer.PURGE: NOW},
            {Timer.CALLBACK: NOW + timedelta(seconds=5), Timer.SILENCE: NOW},
            {Timer.DISPATCH: NOW},
        )
    )
    told = due_metrics([late, later, not_yet, other], NOW)
    assert told == {"due_jobs": 4, "callbacks_due": 2, "callback_overdue_seconds": 300.0}
    assert due_metrics([], NOW) == {"due_jobs": 0, "callbacks_due": 0, "callback_overdue_seconds": 0.0}


@pytest.mark.parametrize(("seconds", "missed"), [(-1, 0), (5, 0), (59, 0), (65, 0), (100, 1), (301, 4)])
def test_the_gap_gives_the_number_of_missed_ticks(seconds: int, missed: int) -> None:
    told = gap_metrics(timedelta(seconds=seconds), MINUTE)
    assert told == {"gap_seconds": max(0, seconds), "ticks_missed": missed}


def test_before_the_first_tick_there_is_no_gap() -> None:
    assert gap_metrics(None, MINUTE) == {}


def seen(**changes: Any) -> dict[str, Any]:
    """What a tick archives."""
    groups = {"fixed": {"replicas": 1, "running": 1}, "scaled": {"replicas": 2, "running": None}}
    return {
        "queued_jobs": 3, "running_jobs": 1, "oldest_wait_sec": 12.5, "groups": groups, "spend_usd": 2.0,
        "spend_added_usd": 0.01, "scaling": {"groups": {"scaled": {"target": 5, "reason": "up"}}}, **changes,
    }  # fmt: skip


def test_the_fleets_metrics_are_jobs_waits_replicas_and_dollars() -> None:
    assert fleet_metrics(seen()) == {
        "jobs_queued": 3, "jobs_running": 1, "oldest_wait_seconds": 12.5, "replicas_wanted": 6, "replicas_running": 1,
        "spend_today_usd": 2.0, "spend_added_usd": 0.01,
    }  # fmt: skip


def test_an_empty_queue_has_a_wait_of_0_and_an_unknown_one_has_none() -> None:
    assert fleet_metrics(seen(queued_jobs=0, oldest_wait_sec=None))["oldest_wait_seconds"] == 0.0
    assert "oldest_wait_seconds" not in fleet_metrics(seen(queued_jobs=None, oldest_wait_sec=None))


@pytest.mark.parametrize("scaling", [None, {"groups": {}}])
def test_without_a_decision_the_present_replicas_count_as_wanted(scaling: Any) -> None:
    assert fleet_metrics(seen(scaling=scaling))["replicas_wanted"] == 3


def test_values_that_a_tick_does_not_know_are_omitted() -> None:
    assert fleet_metrics({}) == {}
    blind = fleet_metrics(seen(groups=None, spend_usd=None, spend_added_usd=None))
    assert set(blind) == {"jobs_queued", "jobs_running", "oldest_wait_seconds"}
