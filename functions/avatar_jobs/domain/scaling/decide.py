"""Decides how large the fleet should be, once a tick, by the rule that the settings name. Pure; never raises."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from avatar_jobs.domain.scaling.drain import drain
from avatar_jobs.domain.scaling.model import HISTORY_SEC, NO_GROUPS, Plan, ScalingConfig, Snapshot
from avatar_jobs.domain.scaling.observe import (
    MEANS_SEC,
    mean_queue,
    need_of,
    recent,
    replicas_now,
    running_instances,
)
from avatar_jobs.domain.scaling.tiers import spread
from avatar_jobs.domain.scaling.windowed import windowed

Rule = Callable[[float, Sequence[Snapshot], ScalingConfig, int], tuple[int, str]]

RULES: Mapping[str, Rule] = {"drain": drain, "windowed": windowed}


def decide(now: float, history: Sequence[Snapshot], config: ScalingConfig) -> Plan:
    """Returns the plan for every scaled group, from the snapshots of the last hour with the newest one.

    now: seconds since the epoch. The function never raises and does not change its arguments. When the queue's length
    is unknown now, or no group was seen in the last hour, the plan is empty: all groups stay as they are.
    """
    seen = recent(now, history, HISTORY_SEC)
    current = _current(seen, config)
    if not seen or seen[-1].queue_length is None:
        plan = Plan(NO_GROUPS, "blind: no queue length")
    elif current is None:
        plan = Plan(NO_GROUPS, "blind: no group was ever seen")
    else:
        want, reason = RULES[config.rule](now, seen, config, current)
        want = max(sum(group.minimum for group in config.scaled), min(want, config.budget))
        plan = Plan(spread(want, seen, config), reason)
    return _explained(plan, now, seen, config)


def _current(seen: Sequence[Snapshot], config: ScalingConfig) -> int | None:
    known = [replicas_now(seen, group) for group in config.scaled]
    return None if all(count is None for count in known) else sum(count or 0 for count in known)


def _explained(plan: Plan, now: float, seen: Sequence[Snapshot], config: ScalingConfig) -> Plan:
    """Returns the plan with the metrics that explain it, for every rule alike."""
    latest = seen[-1] if seen else None
    queue = latest.queue_length if latest else None
    instances = running_instances(latest, config.groups) if latest else 0
    short, long = (mean_queue(now, seen, seconds) for seconds in MEANS_SEC)
    return replace(
        plan,
        need=_rounded(need_of(latest, config) if latest else None),
        mean_15_min=_rounded(short),
        mean_60_min=_rounded(long),
        jobs_per_replica=None if queue is None or not instances else _rounded(queue / instances),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 3)
