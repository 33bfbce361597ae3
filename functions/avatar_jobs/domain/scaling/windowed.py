"""The rule `windowed`: means of the queue's length over 15 and 60 minutes, fixed steps and cooldowns."""

import itertools
from collections.abc import Sequence

from avatar_jobs.domain.scaling.model import ScalingConfig, Snapshot
from avatar_jobs.domain.scaling.observe import mean_queue, replicas_now, running_instances


def windowed(now: float, seen: Sequence[Snapshot], config: ScalingConfig, current: int) -> tuple[int, str]:
    """Returns (replicas of all scaled groups together, reason). seen: oldest first."""
    rule, latest = config.windowed, seen[-1]
    replicas = max(1, running_instances(latest, config.groups))
    short, long = (mean_queue(now, seen, seconds) or 0.0 for seconds in (rule.up_window_sec, rule.down_window_sec))
    since_change = now - _changed_at(seen, config)
    if short / replicas > rule.up_jobs:
        if since_change < rule.up_cooldown_sec:
            return current, "cooldown"
        return current + rule.step, "mean queue over the window for growing"
    if long / replicas < rule.down_jobs and current > 0:
        if since_change < rule.down_cooldown_sec:
            return current, "cooldown"
        return max(0, current - rule.step), "mean queue over the window for shrinking"
    return current, "hold"


def _changed_at(seen: Sequence[Snapshot], config: ScalingConfig) -> float:
    """Returns when the replicas of the scaled groups last changed; -inf when they never did in the snapshots."""
    sizes = [(one.at, tuple(replicas_now([one], group) for group in config.scaled)) for one in seen]
    changed = [later[0] for earlier, later in itertools.pairwise(sizes) if earlier[1] != later[1]]
    return changed[-1] if changed else float("-inf")
