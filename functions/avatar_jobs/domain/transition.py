"""The only place where a job changes: transition(job, event) -> job, pure and total.

Any event in any state gives a job, never an exception; a terminal status never changes; an event that changes
nothing returns the same object, so that a writer knows that there is nothing to store.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from avatar_jobs.domain import events as ev
from avatar_jobs.domain.jobs import Job
from avatar_jobs.domain.life import calling_back, cancelling, claims, dispatching, keys, looking, operating, running

Handler = Callable[[Job, Any], Job]

OUTBOX_HANDLERS: Mapping[type[ev.Event], Handler] = MappingProxyType(
    {
        ev.CallbackClaimed: calling_back.callback_claimed,
        ev.CallbackTried: calling_back.callback_tried,
        ev.RedeliveryRequested: operating.redelivery_requested,
        ev.AttemptClosed: looking.attempt_closed,
        ev.LookClaimed: looking.look_claimed,
        ev.DispatchSent: keys.late_key,
        ev.DispatchUnsent: keys.late_key,
        ev.DispatchUnknown: keys.late_key,
        ev.KeysRevoked: keys.keys_revoked,
    }
)

LIFE_HANDLERS: Mapping[type[ev.Event], Handler] = MappingProxyType(
    {
        ev.DispatchClaimed: dispatching.dispatch_claimed,
        ev.DispatchSent: dispatching.dispatch_sent,
        ev.DispatchUnsent: dispatching.dispatch_unsent,
        ev.DispatchUnknown: dispatching.dispatch_unknown,
        ev.DispatchLost: dispatching.dispatch_lost,
        ev.RunReported: running.run_reported,
        ev.AttemptFailed: running.attempt_failed,
        ev.JobRefused: running.job_refused,
        ev.DeadlinePassed: running.deadline_passed,
        ev.ResultClaimed: claims.result_claimed,
        ev.VerificationClaimed: claims.verification_claimed,
        ev.OutputVerified: claims.output_verified,
        ev.OutputAbsent: claims.output_absent,
        ev.RunStopped: looking.run_stopped,
        ev.AttemptSeen: looking.attempt_seen,
        ev.AttemptClosed: looking.attempt_closed,
        ev.LookClaimed: looking.look_claimed,
        ev.CancelRequested: cancelling.cancel_requested,
        ev.RequeueRequested: operating.requeue_requested,
    }
)


def transition(job: Job, event: ev.Event) -> Job:
    """Returns the job after the event; the very same object when nothing changed. Never raises."""
    handlers = OUTBOX_HANDLERS if job.status.is_terminal else LIFE_HANDLERS
    handler = handlers.get(type(event))
    return handler(job, event) if handler else job
