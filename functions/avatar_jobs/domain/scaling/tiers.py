"""Spreads a number of replicas over the scaled groups, the preferred ones first. Pure."""

from collections.abc import Mapping, Sequence

from avatar_jobs.domain.scaling.model import GroupConfig, GroupPlan, ScalingConfig, Snapshot
from avatar_jobs.domain.scaling.observe import replicas_now


def spread(want: int, history: Sequence[Snapshot], config: ScalingConfig) -> Mapping[str, GroupPlan]:
    """Returns each scaled group's part of `want`: the preferred groups first, within their bounds and the budget.

    The next group is used when one gets no nodes (the stuck rule). A later group keeps its running instances until the
    earlier groups run enough.
    """
    latest, left = history[-1], want
    targets: dict[str, int] = {}
    limits: dict[str, str] = {}
    for group in config.scaled:
        limit, why = _limit(group, history, config)
        targets[group.name] = min(limit, max(group.minimum, left))
        if targets[group.name] < left:
            limits[group.name] = why
        left -= targets[group.name]
    _keep_running(want, latest, config, targets)
    _fit(config, targets, limits)
    return {
        group.name: GroupPlan(targets[group.name], limits.get(group.name) or _direction(group, history, targets))
        for group in config.scaled
    }


def is_stuck(group: GroupConfig, history: Sequence[Snapshot], stuck_sec: float) -> bool:
    """Returns whether half of a group's replicas or more, and at least one, did not run for stuck_sec in a row."""
    since: float | None = None
    for snapshot in history:
        counts, running = snapshot.counts(group), snapshot.running(group)
        if counts is None or running is None or counts.replicas - running < max(1, counts.replicas / 2):
            since = None
            continue
        since = snapshot.at if since is None else since
        if snapshot.at - since >= stuck_sec:
            return True
    return False


def _limit(group: GroupConfig, history: Sequence[Snapshot], config: ScalingConfig) -> tuple[int, str]:
    limit, why = group.maximum, "maximum"
    if group is config.scaled[-1]:  # no group follows, so its replicas wait for nodes; that is not billed
        return max(group.minimum, limit), why
    running = history[-1].running(group)
    if running is not None and is_stuck(group, history, config.stuck_sec) and running + 1 < limit:
        limit, why = running + 1, "stuck"
    return max(group.minimum, limit), why


def _keep_running(want: int, latest: Snapshot, config: ScalingConfig, targets: dict[str, int]) -> None:
    """Raises the targets of later groups to what runs there, as long as the earlier ones do not run enough yet."""
    run_before = 0
    for group in config.scaled:
        running = latest.running(group) or 0
        if group is not config.scaled[0]:
            missing = max(0, want - run_before)
            targets[group.name] = max(targets[group.name], min(running, missing, group.maximum))
        run_before += min(running, targets[group.name])


def _fit(config: ScalingConfig, targets: dict[str, int], limits: dict[str, str]) -> None:
    """Cuts the targets to the budget: the last group first, all down to their minimum, and only then below it."""
    for lowest in (False, True):
        for group in reversed(config.scaled):
            excess = sum(targets.values()) - config.budget
            least = 0 if lowest else group.minimum
            cut = max(0, min(excess, targets[group.name] - least))
            if cut:
                targets[group.name] -= cut
                limits[group.name] = "budget"


def _direction(group: GroupConfig, history: Sequence[Snapshot], targets: Mapping[str, int]) -> str:
    current = replicas_now(history, group)
    target = targets[group.name]
    if current is None or target == current:
        return "hold"
    return "up" if target > current else "down"
