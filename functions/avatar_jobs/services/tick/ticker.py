"""The tick: under one lease, does what is due, each job fenced so that one that fails does not stop the next."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from avatar_jobs.domain.errors import AvatarError, ProviderError, SaladUnavailableError
from avatar_jobs.domain.job.due_timers import due_timer
from avatar_jobs.domain.metrics import due_metrics, fleet_metrics, gap_metrics
from avatar_jobs.domain.rate_budget import TICK_CALLS_A_MINUTE, CallBucket, CallShare
from avatar_jobs.domain.salad import QueueView
from avatar_jobs.ports.jobs import JobStore, StoredJob
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.ports.salad import SaladApi
from avatar_jobs.ports.tick_state import FleetState
from avatar_jobs.services.callbacks.batch import CallbackBatch
from avatar_jobs.services.tick.housekeeper import Housekeeper, TickContext
from avatar_jobs.services.tick.reconciler import Reconciler
from avatar_jobs.services.tick.scaler import Observed, Scaled, Scaler

WORK_SHARE, WORK_LIMIT = 0.8, timedelta(seconds=50)  # of the period; what is left is for the store's last writes
LEASE_SHARE = 0.9  # a tick that dies frees the lease before the next but one comes
TOO_LATE = timedelta(minutes=5)  # without a finished tick: five in a row were missed
SNAPSHOT_LIFETIME = timedelta(days=30)  # of what is archived for analysis: long enough to compare two fortnights
DUE_LIMIT = 500  # jobs a tick: the promise of the design


@dataclass
class TickReport:
    """What a tick did: whether it had the lease, and how many jobs it handled by kind of context."""

    had_lease: bool
    done: Counter[str] = field(default_factory=Counter)


class Ticker:
    """scaler: sizes the fleet; period: between two ticks; draw_id: names the lease's holder."""

    def __init__(
        self,
        *,
        store: JobStore,
        salad: SaladApi,
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
        self._salad = salad
        self._housekeeper = housekeeper
        self._reconciler = reconciler
        self._callbacks = callbacks
        self._scaler = scaler
        self._clock = clock
        self._log = log
        self._draw_id = draw_id
        self._period = period
        self._bucket = CallBucket(TICK_CALLS_A_MINUTE)  # kept from tick to tick: a short period must not multiply it

    def tick(self) -> TickReport:
        """Does one round: looks, sizes the fleet, does what is due, writes down what it saw and why it did what it did.

        The fleet comes before what is due: a burst takes the tick's whole share of calls for minutes, and just then the
        fleet must grow. Raises StorageUnavailableError when lease or agenda cannot be read.
        """
        holder, began = self._draw_id(), self._clock()
        if not self._store.take_tick_lease(holder, began, began + self._period * LEASE_SHARE):
            self._log("tick_skipped", reason="another tick holds the lease")
            return TickReport(had_lease=False)
        stop_at = began + min(self._period * WORK_SHARE, WORK_LIMIT)
        context = TickContext(share=CallShare(self._bucket, began))
        fleet: Mapping[str, Any] | None = None
        try:
            state = self._store.fleet_state()
            gap = began - state.last_tick_at if state.last_tick_at else None
            self._warn_if_late(gap)
            scaled = self._size(self._observe(context), state, context)
            due = self._store.due(began, DUE_LIMIT)
            for stored in due:
                if self._clock() >= stop_at:
                    context.done["left_for_the_next_tick"] += 1
                    continue
                self._serve(stored, context)
            self._finish(context, stop_at)
            fleet = scaled.fleet
        finally:
            self._store.release_tick_lease(holder, self._clock(), fleet)
        metrics = {
            **gap_metrics(gap, self._period),
            **fleet_metrics(scaled.archive),
            **due_metrics((one.job for one in due), began),
        }
        self._log("tick_finished", seconds=(self._clock() - began).total_seconds(), **metrics, **context.done)
        return TickReport(had_lease=True, done=context.done)

    def _warn_if_late(self, gap: timedelta | None) -> None:
        if gap is not None and gap >= TOO_LATE:
            self._log("ticks_missing", level="alarm", seconds=gap.total_seconds())

    def _size(self, queue: QueueView | None, state: FleetState, context: TickContext) -> Scaled:
        """Sizes the fleet; a fault of ours in it must not stop what jobs wait for."""
        try:
            return self._scale(queue, state, context)
        except Exception as error:  # noqa: BLE001  the fence between scaling and housekeeping
            self._log("scaling_broke", level="alarm", reason=f"{type(error).__name__}: {error}"[:300])
            return Scaled(state.fleet, archive={})

    def _scale(self, queue: QueueView | None, state: FleetState, context: TickContext) -> Scaled:
        """Sizes the fleet and archives what was seen; a store that fails here costs the record alone."""
        now = self._clock()
        try:
            jobs = self._store.open_jobs()
        except AvatarError as error:
            self._log("jobs_not_counted", level="warning", reason=str(error))
            jobs = None
        gap = now - state.last_tick_at if state.last_tick_at else timedelta(0)
        scaled = self._scaler.scale(Observed(queue, jobs, state.fleet, gap.total_seconds()), context.share)
        try:
            self._store.archive_snapshot(now, scaled.archive, now + SNAPSHOT_LIFETIME)
        except AvatarError as error:
            self._log("snapshot_not_archived", level="warning", reason=str(error))
        return scaled

    def _observe(self, context: TickContext) -> QueueView | None:
        """One look at queue and fleet, the first of the tick's calls. A queue that is gone is a fault of the system:
        then nothing is asked of Salad in this tick, because its 404s would tell lies about jobs."""
        context.share.take()
        try:
            return self._salad.get_queue()
        except ProviderError as error:
            self._log("salad_not_observed", level="alarm", status=error.status, reason=str(error))
            if error.status in (401, 403, 404):
                context.share.close()
            return None

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
        """What several jobs share: the look for lost dispatches, and the callbacks side by side."""
        try:
            self._reconciler.scan(context.unknown, context.share)
        except AvatarError as error:
            self._log("salad_scan_not_stored", level="error", reason=str(error))
        self._callbacks.deliver_all(stop_at)
