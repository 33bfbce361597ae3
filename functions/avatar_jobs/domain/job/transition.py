"""The only way in which a job changes: transition(job, event) -> job, a pure and total function.

Every event in every state returns a job and never raises. A terminal status never changes. An event that changes
nothing returns the same object, so that the caller knows that there is nothing to store.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job import (
    on_callback,
    on_dispatch,
    on_request,
    on_result,
    on_run,
    on_salad_status,
    on_timer,
)
from avatar_jobs.domain.job.model import Job

Handler = Callable[[Job, Any], Job]

OUTBOX_HANDLERS: Mapping[type[ev.Event], Handler] = MappingProxyType(
    {
        ev.CallbackClaimed: on_callback.callback_claimed,
        ev.CallbackTried: on_callback.callback_tried,
        ev.RedeliveryRequested: on_request.redelivery_requested,
        ev.AttemptClosed: on_salad_status.attempt_closed,
        ev.TimerClaimed: on_timer.timer_claimed,
        ev.TimerFailed: on_timer.timer_failed,
        ev.DispatchSent: on_dispatch.late_outcome,
        ev.DispatchUnsent: on_dispatch.late_outcome,
        ev.DispatchUnknown: on_dispatch.late_outcome,
        ev.KeysRevoked: on_dispatch.keys_revoked,
    }
)

LIFE_HANDLERS: Mapping[type[ev.Event], Handler] = MappingProxyType(
    {
        ev.DispatchClaimed: on_dispatch.dispatch_claimed,
        ev.DispatchSent: on_dispatch.dispatch_sent,
        ev.DispatchUnsent: on_dispatch.dispatch_unsent,
        ev.DispatchUnknown: on_dispatch.dispatch_unknown,
        ev.DispatchLost: on_dispatch.dispatch_lost,
        ev.RunReported: on_run.run_reported,
        ev.AttemptFailed: on_result.attempt_failed,
        ev.JobRefused: on_result.job_refused,
        ev.DeadlinePassed: on_timer.deadline_passed,
        ev.ResultClaimed: on_result.result_claimed,
        ev.VerificationClaimed: on_result.verification_claimed,
        ev.OutputVerified: on_result.output_verified,
        ev.OutputAbsent: on_result.output_absent,
        ev.RunStopped: on_result.run_stopped,
        ev.AttemptObserved: on_salad_status.attempt_observed,
        ev.AttemptClosed: on_salad_status.attempt_closed,
        ev.TimerClaimed: on_timer.timer_claimed,
        ev.TimerFailed: on_timer.timer_failed,
        ev.CancelRequested: on_request.cancel_requested,
        ev.RequeueRequested: on_request.requeue_requested,
    }
)


def transition(job: Job, event: ev.Event) -> Job:
    """Returns the job after the event, the same object when nothing changed. Never raises."""
    handlers = OUTBOX_HANDLERS if job.status.is_terminal else LIFE_HANDLERS
    handler = handlers.get(type(event))
    return handler(job, event) if handler else job
