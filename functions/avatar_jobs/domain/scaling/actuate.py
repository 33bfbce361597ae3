"""Turns a plan into the calls that are due: only what changes, nothing where somebody else is at work. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from avatar_jobs.domain.salad import GroupView
from avatar_jobs.domain.scaling.model import SALAD_MAX_REPLICAS, Plan


@dataclass(frozen=True)
class LastSet:
    """What a group's replicas were when we last had a say. tried: what a call without a sure outcome asked for;
    foreign_since: when somebody else's change was first seen (seconds since the epoch)."""

    replicas: int
    tried: int | None = None
    foreign_since: float | None = None


@dataclass(frozen=True)
class Step:
    """One group's change. replicas: None when they stay; start: whether the group must be started."""

    name: str
    replicas: int | None
    start: bool


@dataclass(frozen=True)
class Steps:
    """What to do, what is left alone and why, and what is known of each group before anything is done."""

    due: tuple[Step, ...]
    left_alone: Mapping[str, str]
    known: Mapping[str, LastSet]


def steps(
    plan: Plan, groups: Mapping[str, GroupView], last: Mapping[str, LastSet], now: float, manual_hold_sec: float
) -> Steps:
    """Says what to change. A group whose replicas are neither what we set nor what we tried to set was changed by
    somebody else: it is left alone for manual_hold_sec from when that was seen, and then taken as it stands."""
    due: list[Step] = []
    left_alone: dict[str, str] = {}
    known: dict[str, LastSet] = dict(last)
    for name, target in plan.targets.items():
        group = groups.get(name)
        if group is None:
            left_alone[name] = "not attached to the queue"
            continue
        known[name] = _seen(group.counts.replicas, last.get(name), now)
        since = known[name].foreign_since
        if group.has_autoscaler:
            left_alone[name] = "its native autoscaler is on"
        elif since is not None and now - since < manual_hold_sec:
            left_alone[name] = "changed by somebody else"
        else:
            due += _step(name, min(target, SALAD_MAX_REPLICAS), group)
    return Steps(tuple(due), left_alone, known)


def _seen(replicas: int, last: LastSet | None, now: float) -> LastSet:
    if last is None or replicas in (last.replicas, last.tried):
        return LastSet(replicas)
    return replace(last, foreign_since=last.foreign_since if last.foreign_since is not None else now)


def _step(name: str, wanted: int, group: GroupView) -> list[Step]:
    replicas = wanted if wanted != group.counts.replicas else None
    start = group.is_stopped and wanted > 0
    return [Step(name, replicas, start)] if replicas is not None or start else []
