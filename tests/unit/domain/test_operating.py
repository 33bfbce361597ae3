"""Operators may send a stuck job again and a finished job's callback again, and nothing else."""

from datetime import timedelta

import pytest

from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.model import CallbackState, DispatchState, Job, JobError, JobStatus, Phase, Timer
from avatar_jobs.domain.job.on_request import redelivery_refusal, requeue_refusal
from avatar_jobs.domain.job.transition import transition
from tests.support.factories import a_claim, a_job, later

ERROR = JobError(code=JobErrorCode.GPU_FAULT, message="m", stage="s", retryable=True)


def after(job: Job, *events: ev.Event) -> Job:
    """The job after several events."""
    for event in events:
        job = transition(job, event)
    return job


def sent(number: int = 1, seconds: float = 1) -> ev.DispatchSent:
    """Salad took an attempt."""
    return ev.DispatchSent(at=later(seconds), attempt=number, salad_job_id=f"salad-{number}")


def report(seconds: float, number: int = 1, run_id: str = "run-1", seq: int = 0) -> ev.RunReported:
    """A worker's report."""
    phase = Phase.GENERATING
    return ev.RunReported(at=later(seconds), attempt=number, run_id=run_id, seq=seq, phase=phase, progress=0.5)


def requeue(seconds: float) -> ev.RequeueRequested:
    """The operator's request to send the job again."""
    return ev.RequeueRequested(at=later(seconds))


def third_attempt() -> Job:
    """A job whose third attempt is at Salad since second 30."""
    failed = [ev.AttemptFailed(at=later(10 * number), attempt=number, error=ERROR) for number in (1, 2)]
    claim = ev.DispatchClaimed(at=later(29), attempt=3)
    return after(a_job(), sent(), *failed, claim, sent(3, 30))


def test_a_silent_run_becomes_the_next_attempt_and_the_old_one_is_watched() -> None:
    silent = after(a_job(), sent(), report(5))
    assert transition(silent, requeue(64)) is silent, "59 s of silence are not enough"
    again = transition(silent, requeue(65))
    assert (again.attempt.number, again.attempt.dispatch, again.phase) == (2, DispatchState.UNSENT, Phase.REQUEUED)
    assert again.timers[Timer.DISPATCH] == later(65)
    assert Timer.CLEANUP in again.timers, "the first attempt's Salad job gets a cleanup timer"
    assert [line.event for line in again.timeline][-2:] == ["requeue_requested", "requeued"]
    assert again.timeline[-2].detail == "salad-1"


def test_a_dispatched_job_that_no_worker_took_can_be_sent_again_after_a_minute() -> None:
    waiting = after(a_job(), sent())
    assert transition(waiting, requeue(59)) is waiting
    assert transition(waiting, requeue(61)).attempt.number == 2


def test_an_unsent_attempt_loses_its_pause_and_not_its_number() -> None:
    unsent = ev.DispatchUnsent(at=later(1), attempt=1, retry_at=later(300), reason="Salad answered 429")
    paused = after(a_job(), unsent)
    now = transition(paused, requeue(9))
    assert (now.attempt.number, now.timers[Timer.DISPATCH]) == (1, later(9))
    assert transition(now, requeue(10)) is now, "it is due already"


def test_a_dispatch_under_way_or_just_lost_keeps_its_timer() -> None:
    sending = a_job()
    assert transition(sending, requeue(29)) is sending
    assert transition(sending, requeue(31)).attempt.number == 2, "its sender died, and no tick ran"
    unknown = after(sending, ev.DispatchUnknown(at=later(4), attempt=1, reason="cut"))
    assert transition(unknown, requeue(63)) is unknown
    assert transition(unknown, requeue(65)).attempt.number == 2


def test_after_the_third_attempt_the_third_is_sent_again() -> None:
    job = transition(third_attempt(), requeue(100))
    assert (job.attempt.number, len(job.attempts), job.attempt.dispatch) == (3, 3, DispatchState.UNSENT)
    assert job.attempt.salad_job_id is None
    assert job.timers[Timer.DISPATCH] == later(100)
    claim = ev.DispatchClaimed(at=later(101), attempt=3)
    resent = after(job, claim, ev.DispatchSent(at=later(102), attempt=3, salad_job_id="salad-4"))
    assert (resent.attempt.dispatch, resent.attempt.salad_job_id) == (DispatchState.SENT, "salad-4")


def test_an_old_run_of_the_third_attempt_that_reports_again_cancels_the_second_dispatch() -> None:
    silent = after(third_attempt(), report(40, number=3))
    asked = transition(silent, requeue(200))
    back = transition(asked, report(201, number=3, seq=1))
    assert (back.status, back.attempt.dispatch) == (JobStatus.RUNNING, DispatchState.SENT)
    assert Timer.DISPATCH not in back.timers


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([ev.CancelRequested(at=later(2))], "cancellation"),
        ([ev.ResultClaimed(at=later(2), result=a_claim(at=later(2)))], "being verified"),
        ([ev.JobRefused(at=later(2), attempt=1, error=ERROR)], "submit it again"),
        ([report(75)], "sign of life"),
    ],
)
def test_a_requeue_of_a_job_that_is_not_stuck_is_refused_with_one_sentence(events: list[ev.Event], reason: str) -> None:
    job = after(a_job(), sent(), *events)
    assert transition(job, requeue(100)) is job
    refusal = requeue_refusal(job, later(100))
    assert refusal is not None
    assert reason in refusal


def test_nothing_is_sent_again_after_the_deadline() -> None:
    job = after(a_job(start_timeout_seconds=100), sent())
    assert transition(job, requeue(100)) is job
    assert "deadline" in (requeue_refusal(job, later(100)) or "")
    assert requeue_refusal(job, later(99)) is None


def finished_with(*tries: bool) -> Job:
    """A failed job whose app was called so many times; after the last failure its schedule is used up."""
    job = after(a_job(webhook_url="https://e.com/"), ev.JobRefused(at=later(5), attempt=1, error=ERROR))
    for number, delivered in enumerate(tries, 1):
        last = number == len(tries)
        next_at = None if delivered or last else later(100 * number)
        tried = ev.CallbackTried(
            at=later(10 * number), delivered=delivered, http_status=204 if delivered else 500, next_attempt_at=next_at
        )
        job = transition(job, tried)
    return job


@pytest.mark.parametrize(
    ("tries", "before"), [((True,), CallbackState.DELIVERED), ((False, False), CallbackState.FAILED)]
)
def test_a_callback_that_is_over_is_due_again_with_its_id_and_its_tries(
    tries: tuple[bool, ...], before: CallbackState
) -> None:
    job = finished_with(*tries)
    again = transition(job, ev.RedeliveryRequested(at=later(500)))
    assert job.callback is not None
    assert again.callback is not None
    assert (job.callback.state, again.callback.state) == (before, CallbackState.RETRYING)
    assert (again.callback.webhook_id, again.callback.attempts) == (job.callback.webhook_id, len(tries))
    assert (again.timers[Timer.CALLBACK], again.callback.next_attempt_at) == (later(500), later(500))
    outcome = {"status", "error", "output", "finished_at", "attempts"}
    assert again.model_dump(include=outcome) == job.model_dump(include=outcome)
    claimed = transition(again, ev.CallbackClaimed(at=later(501), until=later(561)))
    assert claimed is not again, "the next tick gets it"


def test_a_callback_that_is_due_already_is_not_asked_for_twice() -> None:
    job = transition(finished_with(True), ev.RedeliveryRequested(at=later(500)))
    assert transition(job, ev.RedeliveryRequested(at=later(501))) is job


def test_without_an_end_or_without_an_address_there_is_nothing_to_send_again() -> None:
    running = after(a_job(webhook_url="https://e.com/"), report(5))
    unheard = after(a_job(), ev.JobRefused(at=later(5), attempt=1, error=ERROR))
    for job, reason in ((running, "not over"), (unheard, "no webhook_url")):
        assert transition(job, ev.RedeliveryRequested(at=later(500))) is job
        assert reason in (redelivery_refusal(job) or "")


def test_requeues_cannot_outlive_the_deadline() -> None:
    job = after(a_job(start_timeout_seconds=3600), sent())
    for minute in range(2, 120, 2):
        at = timedelta(minutes=minute).total_seconds()
        job = after(job, requeue(at), ev.DispatchClaimed(at=later(at + 1), attempt=job.attempt.number))
        job = transition(job, ev.DispatchSent(at=later(at + 2), attempt=job.attempt.number, salad_job_id=f"s-{minute}"))
    assert job.attempt.number == 3
    assert (job.attempt.claimed_at - job.created_at).total_seconds() < 3600
