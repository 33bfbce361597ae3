"""The tick: does what is due, under one lease; a job that fails does not stop the next one."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from avatar_jobs.domain.errors import AvatarError, SaladUnavailableError
from avatar_jobs.domain.job.due_timers import due_timer
from avatar_jobs.domain.metrics import due_metrics, fleet_metrics, gap_metrics
from avatar_jobs.domain.rate_budget import TICK_CALLS_A_MINUTE, CallBucket, CallShare
from avatar_jobs.ports.jobs import JobStore, StoredJob
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.ports.tick_state import FleetState, TickState
from avatar_jobs.protocol.stored_fleet import ScalingRecord
from avatar_jobs.services.callbacks.batch import CallbackBatch
from avatar_jobs.services.tick.housekeeper import Housekeeper, TickContext
from avatar_jobs.services.tick.reconciler import Reconciler
from avatar_jobs.services.tick.scaler import Scaler

WORK_SHARE, WORK_LIMIT = 0.8, timedelta(seconds=50)  # of the period; the rest is for the last writes to the store
LEASE_SHARE = 0.9  # of the period; the lease of a tick that died has ended before the tick after the next one
TOO_LATE = timedelta(minutes=5)  # without a finished tick: five in a row were missed
DUE_LIMIT = 500  # due jobs that one tick reads


@dataclass
class TickReport:
    """What a tick did. had_lease: False when another tick was running; done: jobs served by kind of work."""

    had_lease: bool
    done: Counter[str] = field(default_factory=Counter)


class Ticker:
    """Runs the tick: sizes the fleet and serves the jobs whose timers are due.

    period: time between two ticks; draw_id: makes a new id for the lease's holder.
    """

    def __init__(
        self,
        *,
        store: JobStore,
        tick_state: TickState,
        housekeeper: Housekeeper,
        reconciler: Reconciler,
        callbacks: CallbackBatch,
        scaler: Scaler,
        clock: Clock,
        log: EventLog,
        draw_id: Callable[[], str],
        period: timedelta,
    ) -> None:
        self._store = store
        self._tick_state = tick_state
        self._housekeeper = housekeeper
        self._reconciler = reconciler
        self._callbacks = callbacks
        self._scaler = scaler
        self._clock = clock
        self._log = log
        self._draw_id = draw_id
        self._period = period
        self._bucket = CallBucket(TICK_CALLS_A_MINUTE)  # for all ticks: a short period must not allow more calls

    def tick(self) -> TickReport:
        """Runs one tick: sizes the fleet, serves the due timers, and stores what it observed and did.

        The fleet comes first: in a burst the due jobs use up all of the tick's calls to Salad for minutes, although
        the fleet must grow then. Raises StorageUnavailableError when the lease or the due jobs cannot be read.
        """
        holder, began = self._draw_id(), self._clock()
        if not self._tick_state.take_tick_lease(holder, began, began + self._period * LEASE_SHARE):
            self._log("tick_skipped", reason="another tick holds the lease")
            return TickReport(had_lease=False)
        context = TickContext(share=CallShare(self._bucket, began))
        fleet: Mapping[str, Any] | None = None
        try:
            state = self._tick_state.fleet_state()
            gap = began - state.last_tick_at if state.last_tick_at else None
            self._warn_if_late(gap)
            scaling = self._size_fleet(state, context)
            due = self._work_off(began, context)
            fleet = scaling.fleet
        finally:
            self._tick_state.release_tick_lease(holder, self._clock(), fleet)
        metrics = {
            **gap_metrics(gap, self._period),
            **fleet_metrics(scaling.archive),
            **due_metrics((one.job for one in due), began),
        }
        self._log("tick_finished", seconds=(self._clock() - began).total_seconds(), **metrics, **context.done)
        return TickReport(had_lease=True, done=context.done)

    def _warn_if_late(self, gap: timedelta | None) -> None:
        if gap is not None and gap >= TOO_LATE:
            self._log("ticks_missing", level="alarm", seconds=gap.total_seconds())

    def _size_fleet(self, state: FleetState, context: TickContext) -> ScalingRecord:
        """Sizes the fleet. A bug in there must not stop the due jobs: it is logged, and the last state stays."""
        try:
            return self._scaler.scale(state, context.share)
        except Exception as error:  # noqa: BLE001  a bug in scaling must not stop the due jobs
            self._log("scaling_broke", level="alarm", reason=f"{type(error).__name__}: {error}"[:300])
            return ScalingRecord(state.fleet, archive={})

    def _work_off(self, began: datetime, context: TickContext) -> Sequence[StoredJob]:
        """Serves the jobs whose timers are due until the tick's time is over. Returns all that were due."""
        stop_at = began + min(self._period * WORK_SHARE, WORK_LIMIT)
        due = self._store.due(began, DUE_LIMIT, put_aside=True)
        for stored in due:
            if self._clock() >= stop_at:
                context.done["left_for_the_next_tick"] += 1
                continue
            self._serve(stored, context)
        self._finish(context, stop_at)
        return due

    def _serve(self, stored: StoredJob, context: TickContext) -> None:
        """Serves one due timer of one job; a failure is counted and logged, not raised."""
        timer = due_timer(stored.job, self._clock())
        if timer is None:
            return
        try:
            context.done[self._housekeeper.act(timer, stored, context)] += 1
        except SaladUnavailableError as error:
            context.done["waits_for_salad"] += 1
            self._log("due_job_waits", job_id=stored.job.id, timer=timer.value, reason=str(error))
        except AvatarError as error:
            context.done["failed"] += 1
            self._log(
                "due_job_failed",
                level="error",
                job_id=stored.job.id,
                request_id=stored.job.request_id,
                timer=timer.value,
                reason=str(error),
            )

    def _finish(self, context: TickContext, stop_at: datetime) -> None:
        """Does what several jobs share: asks Salad for lost dispatches, and sends the callbacks in parallel."""
        try:
            self._reconciler.scan(context.unknown, context.share)
        except AvatarError as error:
            self._log("salad_scan_not_stored", level="error", reason=str(error))
        self._callbacks.deliver_all(stop_at)
