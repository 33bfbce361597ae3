"""The tick: under one lease it sizes the fleet, serves the due jobs and reports; each part is fenced by itself."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from avatar_jobs.domain.errors import AvatarError, StorageUnavailableError
from avatar_jobs.domain.metrics import due_metrics, fleet_metrics, gap_metrics
from avatar_jobs.domain.rate_budget import SCAN_CALLS_A_MINUTE, TICK_CALLS_A_MINUTE, CallBucket, CallShare
from avatar_jobs.ports.jobs import StoredJob
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.ports.tick_state import FleetState, TickState
from avatar_jobs.protocol.stored_fleet import ScalingRecord
from avatar_jobs.services.breaker import Breaker, what_broke
from avatar_jobs.services.tick.due_work import DueWork
from avatar_jobs.services.tick.housekeeper import TickContext
from avatar_jobs.services.tick.key_sweeper import KeySweeper
from avatar_jobs.services.tick.scaler import Scaler

WORK_SHARE, WORK_LIMIT = 0.8, timedelta(seconds=50)  # of the period; the rest is for the last writes to the store
LEASE_SHARE = 0.9  # of the period; the lease of a tick that died has ended before the tick after the next one
FULL_PERIOD = timedelta(minutes=1)  # in the rehearsal's shorter ticks a call may end after the lease
TOO_LATE = timedelta(minutes=5)  # without a finished tick: five in a row were missed


@dataclass
class TickReport:
    """What a tick did. had_lease: False when another tick was running; done: jobs served by kind of work."""

    had_lease: bool
    done: Counter[str] = field(default_factory=Counter)


class Ticker:
    """Runs the tick: sizes the fleet and serves the jobs whose timers are due.

    breaker: makes the calls to other systems; may_call_salad: returns whether Salad answers and time is left for a
    call; period: time between two ticks; draw_id: makes a new id for the lease's holder.
    """

    def __init__(
        self,
        *,
        tick_state: TickState,
        scaler: Scaler,
        due_work: DueWork,
        key_sweeper: KeySweeper,
        breaker: Breaker,
        may_call_salad: Callable[[], bool],
        clock: Clock,
        log: EventLog,
        draw_id: Callable[[], str],
        period: timedelta,
    ) -> None:
        self._tick_state = tick_state
        self._scaler = scaler
        self._due_work = due_work
        self._key_sweeper = key_sweeper
        self._breaker = breaker
        self._may_call_salad = may_call_salad
        self._clock = clock
        self._log = log
        self._draw_id = draw_id
        self._period = period
        # For all ticks: a short period must not allow more calls.
        self._buckets = CallBucket(TICK_CALLS_A_MINUTE), CallBucket(SCAN_CALLS_A_MINUTE)

    def tick(self) -> TickReport:
        """Runs one tick: sizes the fleet, serves the due timers, and stores what it observed and did.

        The fleet comes first: in a burst the due jobs use up all of the tick's calls to Salad for minutes, although
        the fleet must grow then. Raises StorageUnavailableError when the lease or the due jobs cannot be read.
        """
        holder, began = self._draw_id(), self._clock()
        lease_ends = began + self._period * LEASE_SHARE
        if not self._tick_state.take_tick_lease(holder, began, lease_ends):
            self._log("tick_skipped", reason="another tick holds the lease")
            return TickReport(had_lease=False)
        self._breaker.begin(lease_ends, min(1.0, self._period / FULL_PERIOD))
        stop_at = began + min(self._period * WORK_SHARE, WORK_LIMIT)
        context = TickContext(share=CallShare(*self._buckets, began, self._may_call_salad), stop_at=stop_at)
        fleet: Mapping[str, Any] | None = None
        try:
            state = self._fleet_state()
            gap = began - state.last_tick_at if state.last_tick_at else None
            self._warn_if_late(gap)
            scaling = self._size_fleet(state, context, holder)
            due = self._due_work.work_off(began, context)
            self._sweep_keys(context)
            fleet = scaling.fleet
        finally:
            self._release(holder, fleet, context)
        self._report(began, gap, scaling, due, context)
        return TickReport(had_lease=True, done=context.done)

    def _fleet_state(self) -> FleetState:
        """Returns what the last tick stored; nothing when it cannot be read. Raises StorageUnavailableError."""
        try:
            return self._tick_state.fleet_state()
        except StorageUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  without it the tick goes on as if it were the first
            self._log("fleet_state_unreadable", level="alarm", **what_broke(error))
            return FleetState(None, {})

    def _release(self, holder: str, fleet: Mapping[str, Any] | None, context: TickContext) -> None:
        """Gives the lease back. When that fails, the lease expires, and the next tick decides by older snapshots."""
        try:
            self._tick_state.release_tick_lease(holder, self._clock(), fleet)
        except Exception as error:  # noqa: BLE001  the jobs have been served, and must not be reported as failed
            context.count("failed")
            self._log("tick_not_stored", level="alarm", **what_broke(error))

    def _report(
        self,
        began: datetime,
        gap: timedelta | None,
        scaling: ScalingRecord,
        due: Sequence[StoredJob],
        context: TickContext,
    ) -> None:
        metrics: Mapping[str, float] = {}
        try:
            metrics = {
                **gap_metrics(gap, self._period),
                **fleet_metrics(scaling.archive),
                **due_metrics((one.job for one in due), began),
            }
        except Exception as error:  # noqa: BLE001  a number that cannot be computed costs the metrics alone
            self._log("metrics_broke", level="alarm", **what_broke(error))
        self._log("tick_finished", seconds=(self._clock() - began).total_seconds(), **metrics, **context.done)

    def _warn_if_late(self, gap: timedelta | None) -> None:
        if gap is not None and gap >= TOO_LATE:
            self._log("ticks_missing", level="alarm", seconds=gap.total_seconds())

    def _size_fleet(self, state: FleetState, context: TickContext, holder: str) -> ScalingRecord:
        """Sizes the fleet. A bug in there must not stop the due jobs: it is logged, and the last state stays."""
        kept = state.fleet

        def keep(fleet: Mapping[str, Any]) -> None:
            nonlocal kept
            kept = fleet
            try:
                self._tick_state.store_fleet_state(holder, fleet)
            except AvatarError as error:
                self._log("fleet_state_not_stored", level="error", reason=str(error))

        try:
            return self._scaler.scale(state, context.share, keep)
        except Exception as error:  # noqa: BLE001  a bug in scaling must not stop the due jobs
            context.count("failed")
            self._log("scaling_broke", level="alarm", reason=" at ".join(what_broke(error).values()))
            return ScalingRecord(kept, archive={})

    def _sweep_keys(self, context: TickContext) -> None:
        """Comes last: keys that nobody wrote down have time."""
        try:
            context.count("keys_deleted", self._key_sweeper.sweep(context.stop_at))
        except Exception as error:  # noqa: BLE001  the keys are listed again with the next sweep
            context.count("failed")
            self._log("key_sweep_broke", level="alarm", **what_broke(error))
