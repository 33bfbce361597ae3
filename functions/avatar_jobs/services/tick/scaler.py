"""The tick's last part: decides how large the fleet should be, changes what must change, and says why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.rate_budget import CallShare
from avatar_jobs.domain.salad import GpuClass, QueueView
from avatar_jobs.domain.scaling import Plan, ScalingChoices, Snapshot, decide
from avatar_jobs.domain.scaling.actuate import LastSet, Step, Steps, steps
from avatar_jobs.domain.scaling.observe import snapshot_of, valid_count
from avatar_jobs.domain.scaling.quota import within_quota
from avatar_jobs.domain.scaling.spend import SPENT, Spend, dollars_an_hour, prices_of, spent_by, within_budget
from avatar_jobs.ports.jobs import OpenJobs
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.ports.salad import SaladApi
from avatar_jobs.protocol.stored_fleet import (
    explanation,
    history_with,
    last_set_of,
    last_set_record,
    snapshots_to_keep,
    to_record,
)

PRICES_LIFETIME = timedelta(hours=1)  # Salad changes prices rarely; one more call an hour
REFUSED = (400, 403, 409, 422)  # Salad understood and will not: often the organisation's quota
NO_CALL = "the tick's share of calls is spent"


@dataclass(frozen=True)
class Observed:
    """What the tick saw. queue: Salad's answer, None when it gave none; jobs: our own counts, None when the store gave
    none; before: the fleet's state as the last tick left it; gap_sec: since that tick."""

    queue: QueueView | None
    jobs: OpenJobs | None
    before: Mapping[str, Any]
    gap_sec: float


@dataclass(frozen=True)
class Scaled:
    """What is left for the next tick and for health (fleet), and what is archived (archive)."""

    fleet: Mapping[str, Any]
    archive: Mapping[str, Any]


class Scaler:
    """Sizes the fleet, once a tick."""

    def __init__(self, *, salad: SaladApi, choices: ScalingChoices, clock: Clock, log: EventLog) -> None:
        self._salad = salad
        self._choices = choices
        self._clock = clock
        self._log = log
        self._prices: tuple[datetime, Sequence[GpuClass]] | None = None

    def scale(self, seen: Observed, share: CallShare) -> Scaled:
        """Decides on what was seen and acts on it; what Salad refuses is reported and decided anew by the next tick."""
        now, config = self._clock(), self._choices.config
        snapshot = snapshot_of(now.timestamp(), seen.queue, seen.jobs.running if seen.jobs else None)
        history = history_with(seen.before.get("snapshots"), snapshot)
        spend = spent_by(seen.before.get("spend"), now, seen.gap_sec, self._rate(snapshot, seen, now, share))
        scaling: dict[str, Any] | None = None
        last_set: Mapping[str, LastSet] = last_set_of(seen.before.get("last_set"))
        quota = valid_count(seen.before.get("quota"))
        if config is not None:
            config = within_quota(config, quota)
            plan = within_budget(decide(snapshot.at, history, config), config, spend, self._choices.daily_usd)
            if plan.reason == SPENT:
                self._log("daily_budget_spent", level="alarm", usd=round(spend.usd, 2), limit=self._choices.daily_usd)
            acted, last_set = self._act(plan, seen.queue, last_set, now, share)
            scaling = {**explanation(plan, config), **acted, "observe_only": self._choices.observe_only}
            self._log("scaling_decided", **scaling, spend_usd=round(spend.usd, 4))
            quota = self._quota_after(acted["refused"], quota, share)
        fleet = {
            "queue_length": snapshot.queue_length,
            "instances": seen.queue.instances if seen.queue is not None else None,
            "scaling": scaling,
            "spend": {"day": spend.day, "usd": round(spend.usd, 6)},
            "last_set": last_set_record(last_set),
            "quota": quota,
            "snapshots": snapshots_to_keep(history),
        }
        known = None if self._choices.daily_usd is None else spend  # without prices nothing is known
        return Scaled(fleet, _archive(snapshot, seen.jobs, now, scaling, known))

    def _rate(self, snapshot: Snapshot, seen: Observed, now: datetime, share: CallShare) -> float:
        """Dollars an hour of the fleet as it runs; 0 where no budget asks for it, or no price is known yet."""
        if self._choices.daily_usd is None or seen.queue is None:
            return 0.0
        if (self._prices is None or now - self._prices[0] >= PRICES_LIFETIME) and share.take():
            try:
                self._prices = (now, self._salad.list_gpu_classes())
            except ProviderError as error:
                self._log("prices_not_read", level="warning", reason=str(error))
        return dollars_an_hour(snapshot, prices_of(seen.queue, self._prices[1])) if self._prices else 0.0

    def _quota_after(self, is_refused: bool, known: int | None, share: CallShare) -> int | None:
        """What Salad grants the organisation: asked for only after it refused a change, whose reason that may be."""
        if not is_refused or not share.take():
            return known
        try:
            quota = self._salad.get_quotas().container_replicas
        except ProviderError as error:
            self._log("quotas_not_read", level="warning", reason=str(error))
            return known
        self._log("quotas_read", replicas=quota)
        return quota

    def _act(
        self,
        plan: Plan,
        queue: QueueView | None,
        last_set: Mapping[str, LastSet],
        now: datetime,
        share: CallShare,
    ) -> tuple[dict[str, Any], Mapping[str, LastSet]]:
        """Makes the calls that are due; gives what became of them, and what each group was last set to."""
        if queue is None:
            return {"changed": {}, "failed": {}, "left_alone": {}, "refused": False}, last_set
        todo = steps(plan, queue.groups, last_set, now.timestamp(), self._choices.manual_hold_sec)
        changed: dict[str, int] = {}
        failed: dict[str, str] = {}
        is_refused = False
        for step in () if self._choices.observe_only else todo.due:
            problem = self._take(step, share)
            if problem is not None:
                failed[step.name] = str(problem)
                is_refused = is_refused or problem.status in REFUSED
                self._log("scaling_failed", level="alarm", group=step.name, replicas=step.replicas, reason=str(problem))
            elif step.replicas is not None:
                changed[step.name] = step.replicas
        for name, why in todo.left_alone.items():
            self._log("scaling_left_alone", level="warning", group=name, reason=why)
        outcome = {"changed": changed, "failed": failed, "left_alone": dict(todo.left_alone), "refused": is_refused}
        return outcome, _after(todo, changed, failed)

    def _take(self, step: Step, share: CallShare) -> ProviderError | None:
        """Changes one group; gives what went wrong. The replicas first: a group that starts must not start too many."""
        try:
            if step.replicas is not None:
                _require_call(share)
                self._salad.set_replicas(step.name, step.replicas)
            if step.start:
                _require_call(share)
                self._salad.start_container_group(step.name)
        except ProviderError as error:
            return error
        return None


def _require_call(share: CallShare) -> None:
    if not share.take():
        raise ProviderError(NO_CALL, status=None, retryable=True, may_have_happened=False)


def _after(todo: Steps, changed: Mapping[str, int], failed: Mapping[str, str]) -> Mapping[str, LastSet]:
    """What each group was last set to: a call that failed may have happened all the same."""
    wanted = {step.name: step.replicas for step in todo.due}
    after = dict(todo.known)
    for name in failed:
        after[name] = replace(after[name], tried=wanted[name])
    return after | {name: LastSet(replicas) for name, replicas in changed.items()}


def _archive(
    snapshot: Snapshot, jobs: OpenJobs | None, now: datetime, scaling: Any, spend: Spend | None
) -> dict[str, Any]:
    oldest = jobs.oldest_queued_at if jobs else None
    return {
        **to_record(snapshot),
        "queued_jobs": jobs.queued if jobs else None,
        "oldest_wait_sec": round((now - oldest).total_seconds(), 3) if oldest else None,
        "spend_usd": round(spend.usd, 6) if spend else None,
        "spend_added_usd": round(spend.added, 6) if spend else None,
        "scaling": scaling,
    }
