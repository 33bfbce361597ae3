"""A queue job's status changes as Salad documents it."""

from datetime import UTC, datetime

import pytest

from infra.local.salad_sim import jobs, wire
from infra.local.salad_sim.jobs import JobStatus, QueueJob

NOW = datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)


def waiting() -> QueueJob:
    return jobs.created("id", "jobs", {"input": 1}, NOW)


def test_the_fourth_failed_attempt_fails_the_job_for_good() -> None:
    job = waiting()
    seen = []
    for _ in range(4):
        job = jobs.attempt_failed(jobs.dispatched(job, "instance", NOW), NOW)
        seen.append(job.status)
    assert seen == [JobStatus.PENDING, JobStatus.PENDING, JobStatus.PENDING, JobStatus.FAILED]
    assert job.attempts == 4


def test_only_a_waiting_job_can_be_cancelled() -> None:
    running = jobs.dispatched(waiting(), "instance", NOW)
    assert jobs.cancelled(waiting(), NOW).status is JobStatus.CANCELLED
    assert jobs.cancelled(running, NOW) == running


def test_a_completed_job_succeeds_whatever_its_body_says() -> None:
    job = jobs.completed(jobs.dispatched(waiting(), "instance", NOW), b'{"status": "error"}', NOW)
    assert job.status is JobStatus.SUCCEEDED
    assert wire.job_json(job)["output"] == {"status": "error"}


@pytest.mark.parametrize(
    ("output", "shown"), [(b"null", None), (b"[1]", [1]), (b"", ""), (b"plain", "plain"), (b"\xff", "\ufffd")]
)
def test_the_output_is_parsed_where_it_is_json(output: bytes, shown: object) -> None:
    job = jobs.completed(jobs.dispatched(waiting(), "instance", NOW), output, NOW)
    assert wire.job_json(job)["output"] == shown


def test_times_have_seven_fractional_digits() -> None:
    assert wire.timestamp(NOW) == "2026-01-02T03:04:05.0006000Z"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (JobStatus.SUCCEEDED, "queue.job.succeeded"),
        (JobStatus.FAILED, "queue.job.failed"),
        (JobStatus.CANCELLED, "queue.job.canceled"),
    ],
)
def test_the_webhooks_type_has_one_l_where_the_status_has_two(status: JobStatus, kind: str) -> None:
    job = jobs.QueueJob(
        id="id",
        queue_name="jobs",
        input=1,
        metadata=None,
        webhook=None,
        created_at=NOW,
        updated_at=NOW,
        status=status,
    )
    told = wire.webhook_json(job, NOW)
    assert (told["type"], told["data"]["status"]) == (kind, status.value)
