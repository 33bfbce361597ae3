"""What the fleet has cost today, from running instances and prices, and the plan once the budget is spent. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from avatar_jobs.domain.salad import GpuClass, QueueView
from avatar_jobs.domain.scaling.model import GroupPlan, Plan, ScalingConfig, Snapshot

HOUR_SEC = 3600.0
# A late tick counts the time since the last one up to this limit: the fleet's size in between is unknown.
MAX_GAP_SEC = 600.0
SPENT = "daily budget spent"


@dataclass(frozen=True)
class Spend:
    """The cost of one UTC day so far, in US dollars. added: by the last tick, in part perhaps for the day before."""

    day: str
    usd: float
    added: float = 0.0


def spent_by(before: Spend | None, now: datetime, gap_sec: float, dollars_an_hour: float) -> Spend:
    """Returns today's cost: what it was, and the time since the last tick at the present rate.

    before: what the last tick knew; a new day begins at 0. gap_sec: seconds since the last tick ended.
    """
    day = now.strftime("%Y-%m-%d")
    known = before.usd if before is not None and before.day == day else 0.0
    added = dollars_an_hour * min(max(0.0, gap_sec), MAX_GAP_SEC) / HOUR_SEC
    return Spend(day, known + added, added)


def dollars_an_hour(snapshot: Snapshot, prices: Mapping[str, float]) -> float:
    """Returns the cost of the running instances; Salad bills nothing else. prices: US dollars an hour by group."""
    groups = snapshot.groups or {}
    return sum((groups[name].running or 0) * price for name, price in prices.items() if name in groups)


def prices_of(queue: QueueView, classes: Sequence[GpuClass]) -> dict[str, float]:
    """Returns US dollars an hour by group: the dearest class that the group may get, at the group's priority."""
    by_id = {one.id: one for one in classes}
    found = {}
    for name, group in queue.groups.items():
        costs = [by_id[one].price_at(group.priority) for one in group.gpu_class_ids if one in by_id]
        if costs:
            found[name] = max(costs)
    return found


def within_budget(plan: Plan, config: ScalingConfig, spend: Spend, daily_usd: float | None) -> Plan:
    """Returns the plan, or the minimum of every scaled group once daily_usd is spent (None: no limit)."""
    if daily_usd is None or spend.usd < daily_usd:
        return plan
    least = {group.name: GroupPlan(group.minimum, SPENT) for group in config.scaled}
    return Plan(least, SPENT, plan.need, plan.mean_15_min, plan.mean_60_min, plan.jobs_per_replica)
