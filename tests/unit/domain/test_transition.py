"""The state machine: a table of its single steps, and any order of events and clocks against its invariants."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import TIMELINE_CAP, unclosed_attempts
from avatar_jobs.domain.job.model import (
    MAX_ATTEMPTS,
    RETENTION_SEC,
    DispatchState,
    Job,
    JobError,
    JobStatus,
    Phase,
    Timer,
)
from avatar_jobs.domain.job.on_run import MAX_RUNS
from avatar_jobs.domain.job.transition import LIFE_HANDLERS, OUTBOX_HANDLERS, transition
from avatar_jobs.domain.upload_keys import MAX_REMEMBERED
from tests.support.factories import NOW, a_claim, a_job, later

ERROR = JobError(code=JobErrorCode.GPU_FAULT, message="m", stage="s", retryable=True)


def after(job: Job, *events: ev.Event) -> Job:
    """The job after several events."""
    for event in events:
        job = transition(job, event)
    return job


def report(seconds: float = 2, **changes: object) -> ev.RunReported:
    """A report of the first attempt's first run."""
    fields: dict[str, object] = {"attempt": 1, "run_id": "run-1", "seq": 0, "phase": Phase.STARTING, "progress": 0.0}
    return ev.RunReported(at=later(seconds), **{**fields, **changes})  # type: ignore[arg-type]


def test_a_new_job_is_claimed_for_its_own_request_and_has_a_start_deadline() -> None:
    job = a_job(start_timeout_seconds=100)
    assert (job.status, job.phase, job.attempt.dispatch) == (JobStatus.QUEUED, Phase.ACCEPTED, DispatchState.SENDING)
    assert job.timers == {Timer.DISPATCH: later(30), Timer.START_DEADLINE: later(100)}
    assert job.credentials_expire_at == later(100 + 1800 + 900)


def test_sent_ends_the_claim_and_a_second_answer_changes_nothing() -> None:
    job = after(a_job(), ev.DispatchSent(at=later(1), attempt=1, salad_job_id="s-1"))
    assert (job.phase, job.attempt.dispatch, job.attempt.salad_job_id) == (Phase.DISPATCHED, DispatchState.SENT, "s-1")
    assert Timer.DISPATCH not in job.timers
    assert transition(job, ev.DispatchSent(at=later(2), attempt=1, salad_job_id="s-2")) is job


def test_a_report_that_overtakes_the_dispatch_answer_does_not_lose_salads_id() -> None:
    job = after(a_job(), report(), ev.DispatchSent(at=later(3), attempt=1, salad_job_id="s-1"))
    assert (job.status, job.phase, job.attempt.salad_job_id) == (JobStatus.RUNNING, Phase.STARTING, "s-1")


def test_unsent_keeps_the_attempts_number_and_counts_its_tries() -> None:
    unsent = ev.DispatchUnsent(at=later(1), attempt=1, retry_at=later(6), reason="429")
    job = after(a_job(), unsent, ev.DispatchClaimed(at=later(6), attempt=1))
    assert (job.attempt.number, job.attempt.tries, job.attempt.dispatch) == (1, 2, DispatchState.SENDING)
    assert transition(job, ev.DispatchClaimed(at=later(7), attempt=1)) is job, "one claim at a time"


def test_the_first_report_starts_the_run_deadline_once_over_all_attempts() -> None:
    job = after(a_job(run_timeout_seconds=60), report(5))
    assert (job.started_at, job.timers[Timer.RUN_DEADLINE]) == (later(5), later(65))
    failed = after(job, ev.AttemptFailed(at=later(20), attempt=1, error=ERROR), report(30, attempt=2, run_id="run-2"))
    assert failed.timers[Timer.RUN_DEADLINE] == later(65)


def test_failures_and_reports_of_older_attempts_are_ignored_but_their_verified_success_counts() -> None:
    second = after(a_job(), report(), ev.AttemptFailed(at=later(9), attempt=1, error=ERROR))
    assert second.attempt.number == 2
    assert transition(second, report(10, seq=3)) is second
    assert transition(second, ev.AttemptFailed(at=later(10), attempt=1, error=ERROR)) is second
    assert transition(second, ev.JobRefused(at=later(10), attempt=1, error=ERROR)) is second
    won = after(
        second,
        ev.ResultClaimed(at=later(11), result=a_claim(attempt=1, at=later(11))),
        ev.OutputVerified(at=later(12), attempt=1),
    )
    assert won.status is JobStatus.SUCCEEDED


def test_the_end_of_a_second_salad_job_of_the_attempt_ends_nothing() -> None:
    job = after(a_job(), ev.DispatchSent(at=later(1), attempt=1, salad_job_id="ours"))
    assert transition(job, ev.AttemptFailed(at=later(2), attempt=1, error=ERROR, salad_job_id="double")) is job
    assert transition(job, ev.AttemptFailed(at=later(2), attempt=1, error=ERROR, salad_job_id="ours")) is not job


def test_a_run_that_stopped_unasked_ends_its_attempt_unless_a_copy_of_it_runs() -> None:
    sent = ev.DispatchSent(at=later(1), attempt=1, salad_job_id="ours")
    job = after(a_job(), sent, report(2), report(3, run_id="run-2"))
    stopped = ev.RunStopped(at=later(4), attempt=1, salad_job_id="ours")
    assert transition(job, stopped).attempt.number == 2
    assert transition(job, ev.RunStopped(at=later(4), attempt=1, salad_job_id="double")) is job
    unsent = ev.DispatchUnsent(at=later(0), attempt=1, retry_at=later(1), reason="429")
    again = after(a_job(), unsent, ev.DispatchClaimed(at=later(1), attempt=1), sent)
    twice = after(again, report(2), report(3, run_id="run-2"))
    assert transition(twice, stopped) is twice
    assert transition(twice, ev.RunStopped(at=later(70), attempt=1, salad_job_id="ours")).attempt.number == 2
    assert after(again, report(2), stopped).attempt.number == 2, "one run was not replaced by another"


def test_a_report_after_the_credentials_have_expired_changes_nothing() -> None:
    job = a_job(start_timeout_seconds=100, run_timeout_seconds=100)
    assert transition(job, report(100 + 100 + 900)) is not job
    assert transition(job, report(100 + 100 + 901)) is job


def test_a_dropped_claim_of_an_older_attempt_leaves_the_newest_one_to_be_dispatched() -> None:
    second = after(a_job(), report(), ev.AttemptFailed(at=later(9), attempt=1, error=ERROR))
    claimed = transition(second, ev.ResultClaimed(at=later(11), result=a_claim(attempt=1)))
    assert Timer.DISPATCH not in claimed.timers
    dropped = transition(claimed, ev.OutputAbsent(at=later(12), attempt=1, detail="no file"))
    assert (dropped.attempt.number, dropped.claimed_result) == (2, None)
    assert dropped.timers[Timer.DISPATCH] == later(12)


def test_a_claim_postpones_deadlines_for_ten_minutes_and_not_longer() -> None:
    job = after(a_job(run_timeout_seconds=60), report(), ev.ResultClaimed(at=later(50), result=a_claim(at=later(50))))
    waiting = transition(job, ev.DeadlinePassed(at=later(62), timer=Timer.RUN_DEADLINE))
    assert waiting.status is JobStatus.RUNNING
    assert waiting.timers[Timer.RUN_DEADLINE] == later(650)
    given_up = transition(waiting, ev.VerificationClaimed(at=later(650), attempt=1, until=later(680)))
    assert given_up.error is not None
    assert given_up.error.code is JobErrorCode.OUTPUT_VERIFICATION_FAILED
    assert [line.event for line in given_up.timeline][-2:] == ["claim_dropped", "failed"]


@pytest.mark.parametrize("timer", [Timer.START_DEADLINE, Timer.RUN_DEADLINE])
def test_a_deadline_that_has_not_passed_or_is_not_set_changes_nothing(timer: Timer) -> None:
    job = a_job(start_timeout_seconds=100)
    assert transition(job, ev.DeadlinePassed(at=later(99), timer=timer)) is job


def test_the_end_writes_the_outbox_entry_leased_to_its_own_request() -> None:
    job = after(a_job(webhook_url="https://e.com/"), ev.JobRefused(at=later(5), attempt=1, error=ERROR))
    assert job.callback is not None
    assert (job.status, job.timers[Timer.CALLBACK]) == (JobStatus.FAILED, later(35))
    assert transition(job, ev.CallbackClaimed(at=later(34), until=later(99))) is job, "the lease holds"
    assert transition(job, ev.CallbackClaimed(at=later(35), until=later(99))).timers[Timer.CALLBACK] == later(99)


def test_a_job_without_webhook_is_left_to_its_purge() -> None:
    job = after(a_job(), ev.JobRefused(at=later(5), attempt=1, error=ERROR))
    assert (job.callback, job.timers) == (None, {Timer.PURGE: later(5 + RETENTION_SEC)})


def test_runs_and_timeline_are_bounded_whatever_a_stolen_token_sends() -> None:
    job = a_job()
    for number in range(300):
        job = transition(job, report(number, run_id=f"run-{number}", error=ERROR))
        job = transition(job, report(number, run_id=f"run-{number}", seq=1, error=ERROR))
    assert len(job.attempt.runs) == MAX_RUNS
    assert len(job.timeline) <= TIMELINE_CAP
    assert job.timeline[0].event == "accepted"


def test_the_keys_of_a_job_are_remembered_each_once_and_not_without_end() -> None:
    job = a_job()
    for number in range(100):
        lost = ev.DispatchUnknown(at=later(number), attempt=1, reason="r", upload_key_id=f"key-{number}")
        job = after(job, lost, lost)
    assert (len(job.upload_key_ids), job.upload_key_ids[-1]) == (MAX_REMEMBERED, "key-99")


def test_a_key_whose_dispatch_outcome_arrives_after_the_end_is_deleted_too() -> None:
    over = after(a_job(), ev.JobRefused(at=later(5), attempt=1, error=ERROR))
    assert Timer.REVOKE not in over.timers
    late = transition(over, ev.DispatchSent(at=later(9), attempt=1, salad_job_id="s", upload_key_id="key-1"))
    assert (late.status, late.upload_key_ids, late.timers[Timer.REVOKE]) == (over.status, ("key-1",), later(9))
    done = transition(late, ev.KeysRevoked(at=later(12), key_ids=("key-1",)))
    assert (done.upload_key_ids, Timer.REVOKE in done.timers) == ((), False)


ATTEMPTS = st.integers(0, 5)
TIMES = st.integers(-100, 100_000).map(later)
RUNS = st.sampled_from(["run-1", "run-2", "run-3"])
KEYS = st.sampled_from([None, "k", "l", "m"])
ERRORS = st.sampled_from(JobErrorCode).map(lambda c: JobError(code=c, message="m", stage="s", retryable=c.retryable))

EVENTS: dict[type[ev.Event], st.SearchStrategy[ev.Event]] = {
    ev.DispatchClaimed: st.builds(ev.DispatchClaimed, at=TIMES, attempt=ATTEMPTS),
    ev.DispatchSent: st.builds(
        ev.DispatchSent, at=TIMES, attempt=ATTEMPTS, salad_job_id=st.sampled_from("ab"), upload_key_id=KEYS
    ),
    ev.DispatchUnsent: st.builds(
        ev.DispatchUnsent, at=TIMES, attempt=ATTEMPTS, retry_at=TIMES, reason=st.just("r"), upload_key_id=KEYS
    ),
    ev.DispatchUnknown: st.builds(
        ev.DispatchUnknown, at=TIMES, attempt=ATTEMPTS, reason=st.just("r"), upload_key_id=KEYS
    ),
    ev.DispatchLost: st.builds(ev.DispatchLost, at=TIMES, attempt=ATTEMPTS),
    ev.RunReported: st.builds(
        ev.RunReported,
        at=TIMES,
        attempt=ATTEMPTS,
        run_id=RUNS,
        seq=st.integers(0, 9),
        phase=st.sampled_from([Phase.STARTING, Phase.GENERATING, Phase.UPLOADING]),
        progress=st.floats(-1, 2),
        error=st.none() | ERRORS,
    ),
    ev.ResultClaimed: st.builds(ev.ResultClaimed, at=TIMES, result=st.builds(a_claim, attempt=ATTEMPTS, at=TIMES)),
    ev.VerificationClaimed: st.builds(ev.VerificationClaimed, at=TIMES, attempt=ATTEMPTS, until=TIMES),
    ev.OutputVerified: st.builds(ev.OutputVerified, at=TIMES, attempt=ATTEMPTS),
    ev.OutputAbsent: st.builds(ev.OutputAbsent, at=TIMES, attempt=ATTEMPTS, detail=st.just("d")),
    ev.AttemptFailed: st.builds(
        ev.AttemptFailed, at=TIMES, attempt=ATTEMPTS, error=ERRORS, salad_job_id=st.sampled_from([None, "a", "b"])
    ),
    ev.JobRefused: st.builds(ev.JobRefused, at=TIMES, attempt=ATTEMPTS, error=ERRORS),
    ev.RunStopped: st.builds(ev.RunStopped, at=TIMES, attempt=ATTEMPTS, salad_job_id=st.sampled_from([None, "a", "b"])),
    ev.AttemptObserved: st.builds(ev.AttemptObserved, at=TIMES, attempt=ATTEMPTS, running=st.booleans()),
    ev.AttemptClosed: st.builds(ev.AttemptClosed, at=TIMES, attempt=ATTEMPTS, salad_job_id=st.sampled_from("ab")),
    ev.KeysRevoked: st.builds(ev.KeysRevoked, at=TIMES, key_ids=st.lists(st.sampled_from("kl")).map(tuple)),
    ev.TimerClaimed: st.builds(ev.TimerClaimed, at=TIMES, timer=st.sampled_from(Timer), until=TIMES),
    ev.CancelRequested: st.builds(ev.CancelRequested, at=TIMES),
    ev.DeadlinePassed: st.builds(ev.DeadlinePassed, at=TIMES, timer=st.sampled_from(Timer)),
    ev.CallbackClaimed: st.builds(ev.CallbackClaimed, at=TIMES, until=TIMES),
    ev.CallbackTried: st.builds(
        ev.CallbackTried,
        at=TIMES,
        delivered=st.booleans(),
        http_status=st.none() | st.integers(100, 599),
        next_attempt_at=st.none() | TIMES,
    ),
    ev.RequeueRequested: st.builds(ev.RequeueRequested, at=TIMES),
    ev.RedeliveryRequested: st.builds(ev.RedeliveryRequested, at=TIMES),
}


def test_every_event_has_a_handler_and_takes_part_in_the_property() -> None:
    known = {event for event in vars(ev).values() if isinstance(event, type) and issubclass(event, ev.Event)}
    assert known - {ev.Event, ev.AttemptEvent} == set(EVENTS) == {*LIFE_HANDLERS, *OUTBOX_HANDLERS}


@settings(max_examples=400, deadline=None)
@given(events=st.lists(st.one_of(*EVENTS.values()), max_size=40), webhook=st.booleans())
def test_any_events_in_any_order_hold_the_invariants(events: list[ev.Event], webhook: bool) -> None:
    job = a_job(webhook_url="https://e.com/" if webhook else None)
    for event in events:
        before, job = job, transition(job, event)
        assert transition(before, event) == job, "a second run of the transaction's body gives the same"
        assert Job.model_validate_json(job.model_dump_json()) == job, "what is stored is what is read"
        assert job.attempt.number <= MAX_ATTEMPTS
        assert [attempt.number for attempt in job.attempts] == list(range(1, len(job.attempts) + 1))
        assert 0.0 <= job.progress <= 1.0
        assert len(job.timeline) <= TIMELINE_CAP
        if before.status.is_terminal:
            outcome = {"status", "phase", "progress", "output", "metrics", "error", "finished_at"}
            assert job.model_dump(include=outcome) == before.model_dump(include=outcome)
        if job.status.is_terminal:
            assert job.phase is None
            assert job.finished_at is not None
            assert (job.status is JobStatus.SUCCEEDED) == (job.output is not None)
            assert (job.status is JobStatus.FAILED) == (job.error is not None)
            assert Timer.PURGE in job.timers
            assert set(job.timers) <= {Timer.CALLBACK, Timer.CLEANUP, Timer.REVOKE, Timer.PURGE}
            assert (Timer.REVOKE in job.timers) == bool(job.upload_key_ids), "no key outlives its job unseen"
            assert (Timer.CLEANUP in job.timers) == bool(unclosed_attempts(job)), (
                "every unclosed attempt has a cleanup timer"
            )
        else:
            assert job.phase is not None
            assert {Timer.START_DEADLINE, Timer.RUN_DEADLINE} & set(job.timers), "an unfinished job has a deadline"
            assert (job.started_at is not None) == (job.status is JobStatus.RUNNING)
            waits = job.attempt.dispatch is not DispatchState.SENT and job.claimed_result is None
            assert (Timer.DISPATCH in job.timers) == waits, "what is not at Salad has a dispatch timer"
            if before.cancel_requested_at:
                assert job.attempt.number == before.attempt.number, "no new attempt after a cancel"
                assert job.attempt.tries == before.attempt.tries, "no dispatch after a cancel"
            assert (Timer.VERIFY in job.timers) == (job.claimed_result is not None)


def test_the_deadline_always_ends_a_job_in_the_end() -> None:
    job = after(a_job(), report())
    far = NOW + timedelta(days=3)
    assert transition(job, ev.DeadlinePassed(at=far, timer=Timer.RUN_DEADLINE)).status is JobStatus.FAILED
