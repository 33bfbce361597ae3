"""Sizes the fleet, once a tick and before the due jobs: observe, decide, act, record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.rate_budget import CallShare
from avatar_jobs.domain.salad import GpuClass, QueueView
from avatar_jobs.domain.scaling import Plan, ScalingChoices, Snapshot, decide
from avatar_jobs.domain.scaling.actuate import Outcome, Step, outcome_of, steps
from avatar_jobs.domain.scaling.observe import snapshot_of
from avatar_jobs.domain.scaling.quota import within_quota
from avatar_jobs.domain.scaling.spend import SPENT, Spend, dollars_an_hour, prices_of, spent_by, within_budget
from avatar_jobs.ports.archive import SnapshotArchive
from avatar_jobs.ports.jobs import JobStore, OpenJobs
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.ports.salad import SaladApi
from avatar_jobs.ports.tick_state import FleetState
from avatar_jobs.protocol.stored_fleet import (
    FleetMemory,
    ScalingRecord,
    archive_record,
    fleet_record,
    history_with,
    last_set_record,
    read_memory,
    scaling_record,
)
from avatar_jobs.services.breaker import what_broke

PRICES_LIFETIME = timedelta(hours=1)  # Salad changes prices rarely; one more call an hour
SNAPSHOT_LIFETIME = timedelta(days=30)  # of an archived snapshot: long enough to compare two fortnights
NO_CALL = "the tick may send no more calls to Salad"
KEY_OR_QUEUE_WRONG = (401, 403, 404)


@dataclass(frozen=True)
class Observation:
    """What one tick knows before it decides.

    at: when the queue was read; queue: None when Salad gave no answer; jobs: our own counts, None when the store gave
    none; memory: what the last tick stored; history: the snapshots of the last hour with the new one, oldest
    first; gap_sec: seconds since the last tick ended; hourly_usd: US dollars an hour of the fleet as it runs.
    """

    at: datetime
    queue: QueueView | None
    jobs: OpenJobs | None
    memory: FleetMemory
    history: Sequence[Snapshot]
    gap_sec: float
    hourly_usd: float

    @property
    def oldest_wait_sec(self) -> float | None:
        """How long the oldest queued job has waited; None when none waits or it is unknown."""
        oldest = self.jobs.oldest_queued_at if self.jobs else None
        return round((self.at - oldest).total_seconds(), 3) if oldest else None


@dataclass(frozen=True)
class Decision:
    """What the fleet should be. plan: None when no group is configured to scale; spend: today's cost so far."""

    plan: Plan | None
    spend: Spend


class Scaler:
    """Sizes the fleet: reads queue and fleet, decides by the configured rule, and sends the changes to Salad."""

    def __init__(
        self,
        *,
        store: JobStore,
        archive: SnapshotArchive,
        salad: SaladApi,
        choices: ScalingChoices,
        clock: Clock,
        log: EventLog,
    ) -> None:
        self._store = store
        self._archive = archive
        self._salad = salad
        self._choices = choices
        self._clock = clock
        self._log = log
        self._prices: tuple[datetime, Sequence[GpuClass]] | None = None

    def scale(
        self, state: FleetState, share: CallShare, keep: Callable[[Mapping[str, Any]], None] = lambda _: None
    ) -> ScalingRecord:
        """Sizes the fleet once. A change that Salad refuses is logged; the next tick decides anew.

        state: what the last tick stored; share: the calls to Salad that this tick may make, closed here when Salad does
        not know the key or the queue; keep: stores the fleet state right after a change, so that after a tick that died
        the next one does not take the change for somebody else's.
        """
        seen = self._observe(state, share)
        decision = self._decide(seen)
        outcome = self._act(seen, decision, share)
        if outcome.last_set != seen.memory.last_set:
            keep({**state.fleet, "last_set": last_set_record(outcome.last_set)})
        quota = self._quota(seen, outcome, share)
        return self._record(seen, decision, outcome, quota)

    def _observe(self, state: FleetState, share: CallShare) -> Observation:
        queue = self._read_queue(share)
        now, jobs, memory = self._clock(), self._count_jobs(), read_memory(state.fleet)
        snapshot = snapshot_of(now.timestamp(), queue, jobs.running if jobs else None)
        gap = now - state.last_tick_at if state.last_tick_at else timedelta(0)
        return Observation(
            at=now,
            queue=queue,
            jobs=jobs,
            memory=memory,
            history=history_with(memory.snapshots, snapshot),
            gap_sec=gap.total_seconds(),
            hourly_usd=self._hourly_usd(snapshot, queue, now, share),
        )

    def _decide(self, seen: Observation) -> Decision:
        spend = spent_by(seen.memory.spend, seen.at, seen.gap_sec, seen.hourly_usd)
        plan = None
        if self._choices.config is not None:
            config = within_quota(self._choices.config, seen.memory.quota)
            plan = decide(seen.history[-1].at, seen.history, config)
            plan = within_budget(plan, config, spend, self._choices.daily_usd)
            if plan.reason == SPENT:
                self._log("daily_budget_spent", level="alarm", usd=round(spend.usd, 2), limit=self._choices.daily_usd)
        return Decision(plan, spend)

    def _act(self, seen: Observation, decision: Decision, share: CallShare) -> Outcome:
        """Sends the changes that are due; none when Salad gave no answer, or when the settings say to observe only."""
        if decision.plan is None or seen.queue is None:
            return Outcome(last_set=seen.memory.last_set)
        hold_sec = self._choices.manual_hold_sec
        todo = steps(decision.plan, seen.queue.groups, seen.memory.last_set, seen.at.timestamp(), hold_sec)
        due = () if self._choices.observe_only else todo.due
        outcome = outcome_of(todo, {step.name: self._send(step, share) for step in due})
        for name, why in outcome.left_alone.items():
            self._log("scaling_left_alone", level="warning", group=name, reason=why)
        return outcome

    def _record(self, seen: Observation, decision: Decision, outcome: Outcome, quota: int | None) -> ScalingRecord:
        """Logs and archives what was observed and done. When the store fails, only this archived snapshot is lost."""
        choices, spend = self._choices, decision.spend
        scaling = None
        if decision.plan is not None and choices.config is not None:
            scaling = scaling_record(decision.plan, choices.config.rule, outcome, observe_only=choices.observe_only)
            self._log("scaling_decided", **scaling, spend_usd=round(spend.usd, 4))
        instances = seen.queue.instances if seen.queue else None
        known_spend = spend if choices.daily_usd is not None else None  # without a budget no prices are read
        record = ScalingRecord(
            fleet=fleet_record(seen.history, instances, scaling, spend, outcome.last_set, quota),
            archive=archive_record(
                seen.history[-1], seen.jobs.queued if seen.jobs else None, seen.oldest_wait_sec, scaling, known_spend
            ),
        )
        try:
            self._archive.archive_snapshot(seen.at, record.archive, seen.at + SNAPSHOT_LIFETIME)
        except Exception as error:  # noqa: BLE001  the archive is for analysis alone
            self._log("snapshot_not_archived", level="warning", **what_broke(error))
        return record

    def _read_queue(self, share: CallShare) -> QueueView | None:
        """Reads queue and fleet, the first of the tick's calls.

        When Salad does not know the key or the queue, the tick makes no more calls: Salad would answer 404 for every
        job too, and the jobs would fail wrongly.
        """
        share.take()
        try:
            return self._salad.get_queue()
        except ProviderError as error:
            self._log("salad_not_observed", level="alarm", status=error.status, reason=str(error))
            if error.status in KEY_OR_QUEUE_WRONG:
                share.close()
            return None

    def _count_jobs(self) -> OpenJobs | None:
        try:
            return self._store.open_jobs()
        except Exception as error:  # noqa: BLE001  without the count the tick decides by the queue alone
            self._log("jobs_not_counted", level="warning", **what_broke(error))
            return None

    def _hourly_usd(self, snapshot: Snapshot, queue: QueueView | None, now: datetime, share: CallShare) -> float:
        """Returns US dollars an hour of the fleet as it runs; 0 without a daily budget, and while no price is known."""
        if self._choices.daily_usd is None or queue is None:
            return 0.0
        if (self._prices is None or now - self._prices[0] >= PRICES_LIFETIME) and share.take():
            try:
                self._prices = (now, self._salad.list_gpu_classes())
            except ProviderError as error:
                self._log("prices_not_read", level="warning", reason=str(error))
        return dollars_an_hour(snapshot, prices_of(queue, self._prices[1])) if self._prices else 0.0

    def _quota(self, seen: Observation, outcome: Outcome, share: CallShare) -> int | None:
        """Returns the organisation's quota of replicas; reads it only after a refused change, which it may explain."""
        quota = seen.memory.quota
        if outcome.is_refused and share.take():
            try:
                quota = self._salad.get_quotas().container_replicas
                self._log("quotas_read", replicas=quota)
            except ProviderError as error:
                self._log("quotas_not_read", level="warning", reason=str(error))
        return quota

    def _send(self, step: Step, share: CallShare) -> ProviderError | None:
        """Changes one group and returns what went wrong. Sets replicas first: a group must not start with too many."""
        try:
            if step.replicas is not None:
                _require_call(share)
                self._salad.set_replicas(step.name, step.replicas)
            if step.start:
                _require_call(share)
                self._salad.start_container_group(step.name)
        except ProviderError as error:
            self._log("scaling_failed", level="alarm", group=step.name, replicas=step.replicas, reason=str(error))
            return error
        return None


def _require_call(share: CallShare) -> None:
    if not share.take():
        raise ProviderError(NO_CALL, status=None, retryable=True, may_have_happened=False)
