"""Finds every state that any order of events can lead a new job to, and what each event does there. Pure."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.changes import deadline_of
from avatar_jobs.domain.job.model import Job, JobInput, Phase, Timer
from avatar_jobs.domain.job.new_job import new_job
from avatar_jobs.domain.job.transition import transition
from infra.tools.state_table.representatives import LATER, event_types, examples

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
# The longest time-out that the API accepts, so that no step of the search comes near a deadline by accident.
DAY_SEC = 86_400
OWN_PHASES = (Phase.ACCEPTED, Phase.DISPATCHED, Phase.REQUEUED, Phase.VERIFYING, Phase.CANCELLING)

State = tuple[str, ...]


def state_of(job: Job) -> State:
    """Returns the state of a job: status, phase, dispatch of the newest attempt; when finished, status and callback.

    The phases that a worker reports count as one, `working`.
    """
    if job.status.is_terminal:
        return (job.status.value, f"callback {job.callback.state.value}" if job.callback else "no callback")
    phase = job.phase.value if job.phase in OWN_PHASES and job.phase else "working"
    return (job.status.value, phase, job.attempt.dispatch.value)


@dataclass
class Found:
    """What one event does in one state.

    leads_to: the states that follow; changes: the fields of the job that change while its state stays the same;
    sometimes_nothing: whether the event can also change nothing.
    """

    leads_to: set[State] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    sometimes_nothing: bool = False


Table = dict[State, dict[type[ev.Event], Found]]


def explore() -> Table:
    """Returns what each event does in every reachable state."""
    table: Table = {}
    waiting = deque(_new_jobs())
    seen = {_detail(job) for job, _ in waiting}
    while waiting:
        job, now = waiting.popleft()
        row = table.setdefault(state_of(job), {event: Found() for event in event_types()})
        for event, after in _steps(job, now):
            _record(row[type(event)], job, after)
            if after is not job and _detail(after) not in seen:
                seen.add(_detail(after))
                waiting.append((after, event.at))
    return table


def _new_jobs() -> list[tuple[Job, datetime]]:
    return [(_new_job(webhook_url), BEGIN) for webhook_url in (None, "https://example.com/done")]


def _new_job(webhook_url: str | None) -> Job:
    job_input = JobInput(
        video_url="https://example.com/face.mp4",
        audio_url="https://example.com/speech.wav",
        aspect_ratio="source",
        resolution="source",
        webhook_url=webhook_url,
        start_timeout_seconds=DAY_SEC,
        run_timeout_seconds=DAY_SEC,
    )
    return new_job(
        job_id="example0",
        client="example",
        request_id="example",
        idempotency_key=None,
        job_input=job_input,
        metadata={},
        now=BEGIN,
    )


def _steps(job: Job, now: datetime) -> Iterator[tuple[ev.Event, Job]]:
    """Yields every example of every event at three times, and the job after it.

    The times: one second later; when every lease and silence timer has expired; after the deadline.
    """
    moments = [now + timedelta(seconds=1), now + LATER]
    if not job.status.is_terminal:
        moments.append(deadline_of(job) + timedelta(seconds=1))
    for event_type in event_types():
        for at in moments:
            for event in examples(event_type, job, at):
                yield event, transition(job, event)


def _record(found: Found, before: Job, after: Job) -> None:
    if after is before:
        found.sometimes_nothing = True
    elif state_of(after) != state_of(before):
        found.leads_to.add(state_of(after))
    else:
        found.changes |= {name for name in type(after).model_fields if getattr(after, name) != getattr(before, name)}


def _detail(job: Job) -> tuple[Any, ...]:
    """Returns what makes events act differently on jobs of the same state. Times and texts do not."""
    newest, claim = job.attempt, job.claimed_result
    return (
        state_of(job),
        job.input.webhook_url,
        newest.number,
        bool(newest.runs),
        bool(newest.salad_job_id),
        job.started_at is None,
        job.cancel_requested_at is None,
        claim.attempt == newest.number if claim else None,
        Timer.CLEANUP in job.timers,
    )
