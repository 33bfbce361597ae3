"""What the fleet has cost today, by running instances and their prices, and what follows past the budget. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from avatar_jobs.domain.salad import GpuClass, QueueView
from avatar_jobs.domain.scaling.model import GroupPlan, Plan, ScalingConfig, Snapshot
from avatar_jobs.domain.scaling.observe import valid_count

HOUR_SEC = 3600.0
# A tick that comes late pays for the time since the last one, but not for a night in which nobody looked.
MAX_GAP_SEC = 600.0
SPENT = "daily budget spent"


@dataclass(frozen=True)
class Spend:
    """US dollars of one UTC day, so far; added: what the last tick added, which may belong to the day before."""

    day: str
    usd: float
    added: float = 0.0


def spent_by(before: Any, now: datetime, gap_sec: float, dollars_an_hour: float) -> Spend:
    """Adds the time since the last tick at the present rate; a new day begins at nothing.

    before: the record of the last tick, whatever it is; gap_sec: since then.
    """
    day = now.strftime("%Y-%m-%d")
    usd = before.get("usd") if isinstance(before, dict) and before.get("day") == day else 0.0
    known = float(usd) if isinstance(usd, int | float) and not isinstance(usd, bool) and usd >= 0 else 0.0
    added = dollars_an_hour * min(max(0.0, gap_sec), MAX_GAP_SEC) / HOUR_SEC
    return Spend(day, known + added, added)


def dollars_an_hour(snapshot: Snapshot, prices: Mapping[str, float]) -> float:
    """What the running instances cost; Salad bills nothing else. prices: dollars an hour by group."""
    groups = snapshot.groups or {}
    return sum((valid_count(groups[name].running) or 0) * price for name, price in prices.items() if name in groups)


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
    """The plan, or past the budget the minimum of every scaled group; daily_usd: None means no limit."""
    if daily_usd is None or spend.usd < daily_usd:
        return plan
    least = {group.name: GroupPlan(group.minimum, SPENT) for group in config.scaled}
    return Plan(least, SPENT, plan.need, plan.mean_15_min, plan.mean_60_min, plan.jobs_per_replica)
