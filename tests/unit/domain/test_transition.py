"""The state machine: a table of its single steps, and any order of events and clocks against its invariants."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import (
    MAX_COPIES,
    TIMELINE_CAP,
    open_salad_jobs,
    unclosed_attempts,
    untraced_calls,
    unwanted_attempts,
)
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
    assert transition(job, ev.DispatchSent(at=later(2), attempt=1, salad_job_id="s-1")) is job
    assert job.timers[Timer.SILENCE] == later(301), "Salad is asked about a job that never reports"


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
    sent = ev.DispatchSent(at=later(1), attempt=1, salad_job_id="s")
    closed = ev.AttemptClosed(at=later(5), attempt=1, salad_job_id="s")
    job = after(a_job(), sent, closed, ev.JobRefused(at=later(5), attempt=1, error=ERROR))
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


def sent(seconds: float, salad_job_id: str, attempt: int = 1) -> ev.DispatchSent:
    return ev.DispatchSent(at=later(seconds), attempt=attempt, salad_job_id=salad_job_id)


def unknown(seconds: float, attempt: int = 1) -> ev.DispatchUnknown:
    return ev.DispatchUnknown(at=later(seconds), attempt=attempt, reason="cut")


def test_a_dispatch_whose_answer_arrives_after_the_end_is_remembered_and_cleaned_up() -> None:
    over = after(a_job(start_timeout_seconds=20), ev.DeadlinePassed(at=later(20), timer=Timer.START_DEADLINE))
    assert untraced_calls(over.attempt) == 1, "nobody knows yet whether Salad has it"
    late = transition(over, sent(25, "s"))
    assert (open_salad_jobs(late.attempt), Timer.CLEANUP in late.timers) == (("s",), True)
    assert Timer.CLEANUP not in transition(late, ev.AttemptClosed(at=later(90), attempt=1, salad_job_id="s")).timers
    unsent = transition(over, ev.DispatchUnsent(at=later(25), attempt=1, retry_at=later(30), reason="429"))
    assert Timer.CLEANUP not in unsent.timers, "Salad certainly does not have it"


def test_a_dispatch_of_an_older_attempt_is_remembered_and_cleaned_up() -> None:
    second = after(a_job(), unknown(30), ev.DispatchLost(at=later(90), attempt=1))
    assert (second.attempt.number, second.timers[Timer.CLEANUP]) == (2, later(150))
    late = transition(second, sent(100, "s"))
    assert open_salad_jobs(late.attempts[0]) == ("s",)
    assert Timer.CLEANUP not in transition(late, ev.AttemptClosed(at=later(160), attempt=1, salad_job_id="s")).timers
    assert Timer.CLEANUP not in transition(second, ev.AttemptClosed(at=later(160), attempt=1, salad_job_id=None)).timers


def test_every_copy_of_the_last_attempt_is_remembered_until_it_is_over() -> None:
    job = a_job()
    for number in (1, 2, 3, 3):
        job = after(job, unknown(number * 100, number), ev.DispatchLost(at=later(number * 100 + 60), attempt=number))
        job = transition(job, ev.DispatchClaimed(at=later(number * 100 + 61), attempt=job.attempt.number))
    assert (job.attempt.number, job.attempt.lost_calls, untraced_calls(job.attempt)) == (3, 2, 3)
    job = after(job, sent(600, "own", 3), sent(601, "copy", 3))
    assert (open_salad_jobs(job.attempt), untraced_calls(job.attempt)) == (("own", "copy"), 1)
    over = after(
        job,
        ev.JobRefused(at=later(700), attempt=3, error=ERROR),
        *(ev.AttemptClosed(at=later(701), attempt=number, salad_job_id=None) for number in (1, 2)),
    )
    for salad_job_id in ("own", "copy", "the one whose answer was lost"):
        assert Timer.CLEANUP in over.timers
        over = transition(over, ev.AttemptClosed(at=later(702), attempt=3, salad_job_id=salad_job_id))
    assert Timer.CLEANUP not in over.timers


def test_a_stuck_last_attempt_that_is_sent_again_keeps_the_id_of_its_first_salad_job() -> None:
    job = a_job()
    for number in (1, 2):
        job = after(job, sent(number, "s", number), ev.AttemptFailed(at=later(number), attempt=number, error=ERROR))
        job = transition(job, ev.AttemptClosed(at=later(number), attempt=number, salad_job_id="s"))
        job = transition(job, ev.DispatchClaimed(at=later(number), attempt=number + 1))
    again = after(job, sent(3, "third", 3), ev.RequeueRequested(at=later(300)))
    assert (again.attempt.dispatch, again.attempt.copies) == (DispatchState.UNSENT, ("third",))


@pytest.mark.parametrize("state", ["sending", "unknown", "sent"])
def test_a_cancel_of_an_attempt_without_a_known_salad_id_ends_after_a_minute_of_silence(state: str) -> None:
    job = {"sending": a_job(), "unknown": after(a_job(), unknown(1)), "sent": after(a_job(), report(1))}[state]
    asked = transition(job, ev.CancelRequested(at=later(2)))
    assert asked.timers[Timer.CANCEL] == later(2)
    unseen = {seconds: ev.AttemptObserved(at=later(seconds), attempt=1, running=None) for seconds in (61, 62)}
    assert transition(asked, unseen[61]) is asked
    ended = transition(asked, unseen[62])
    assert (ended.status, Timer.CLEANUP in ended.timers) == (JobStatus.CANCELLED, True)


def test_a_run_without_a_known_salad_id_that_falls_silent_is_given_up_when_salad_does_not_show_it() -> None:
    job = after(a_job(), unknown(1), report(2))
    assert job.attempt.salad_job_id is None
    assert transition(job, ev.DispatchLost(at=later(61), attempt=1)) is job, "not silent yet"
    lost = transition(job, ev.DispatchLost(at=later(62), attempt=1))
    assert (lost.attempt.number, Timer.CLEANUP in lost.timers) == (2, True)
    known = transition(job, sent(3, "s"))
    assert transition(known, ev.DispatchLost(at=later(62), attempt=1)) is known, "Salad is asked about a known one"


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
    ev.AttemptObserved: st.builds(
        ev.AttemptObserved, at=TIMES, attempt=ATTEMPTS, running=st.sampled_from([True, False, None])
    ),
    ev.AttemptClosed: st.builds(
        ev.AttemptClosed, at=TIMES, attempt=ATTEMPTS, salad_job_id=st.sampled_from([None, "a", "b"])
    ),
    ev.KeysRevoked: st.builds(ev.KeysRevoked, at=TIMES, key_ids=st.lists(st.sampled_from("kl")).map(tuple)),
    ev.TimerClaimed: st.builds(ev.TimerClaimed, at=TIMES, timer=st.sampled_from(Timer), until=TIMES),
    ev.TimerFailed: st.builds(ev.TimerFailed, at=TIMES, timer=st.sampled_from(Timer), reason=st.just("KeyError")),
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
        assert all(len(attempt.copies) <= MAX_COPIES for attempt in job.attempts)
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
            asked = job.attempt.dispatch is DispatchState.SENT and job.claimed_result is None
            assert (Timer.SILENCE in job.timers) == asked, "Salad is asked about what it has"
            cancelling = job.cancel_requested_at is not None and job.claimed_result is None
            assert (Timer.CANCEL in job.timers) == cancelling
            assert (Timer.CLEANUP in job.timers) == bool(unwanted_attempts(job))
            if before.cancel_requested_at:
                assert job.attempt.number == before.attempt.number, "no new attempt after a cancel"
                assert job.attempt.tries == before.attempt.tries, "no dispatch after a cancel"
            assert (Timer.VERIFY in job.timers) == (job.claimed_result is not None)


def test_the_deadline_always_ends_a_job_in_the_end() -> None:
    job = after(a_job(), report())
    far = NOW + timedelta(days=3)
    assert transition(job, ev.DeadlinePassed(at=far, timer=Timer.RUN_DEADLINE)).status is JobStatus.FAILED
