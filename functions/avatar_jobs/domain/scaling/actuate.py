"""Turns a plan into the calls that are due: only what changes, nothing where somebody else is at work. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from avatar_jobs.domain.scaling.model import SALAD_MAX_REPLICAS, Plan
from avatar_jobs.domain.scaling.observe import valid_count


@dataclass(frozen=True)
class GroupState:
    """One group as `GET queue` shows it: replicas, whether it is stopped, whether Salad's own autoscaler is on."""

    replicas: int
    is_stopped: bool
    has_autoscaler: bool


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


def group_states(queue: Mapping[str, Any]) -> dict[str, GroupState]:
    """The groups in Salad's answer by name; what has no sound replicas is left out."""
    groups = queue.get("container_groups")
    found = {}
    for group in groups if isinstance(groups, list) else ():
        replicas = valid_count(group.get("replicas")) if isinstance(group, dict) else None
        if replicas is None:
            continue
        state = group.get("current_state")
        status = state.get("status") if isinstance(state, dict) else None
        found[str(group.get("name"))] = GroupState(
            replicas, status in ("stopped", "stopping"), bool(group.get("queue_autoscaler"))
        )
    return found


def steps(
    plan: Plan, states: Mapping[str, GroupState], last: Mapping[str, LastSet], now: float, manual_hold_sec: float
) -> Steps:
    """Says what to change. A group whose replicas are neither what we set nor what we tried to set was changed by
    somebody else: it is left alone for manual_hold_sec from when that was seen, and then taken as it stands."""
    due: list[Step] = []
    left_alone: dict[str, str] = {}
    known: dict[str, LastSet] = dict(last)
    for name, target in plan.targets.items():
        state = states.get(name)
        if state is None:
            left_alone[name] = "not attached to the queue"
            continue
        known[name] = _seen(state, last.get(name), now)
        since = known[name].foreign_since
        if state.has_autoscaler:
            left_alone[name] = "its native autoscaler is on"
        elif since is not None and now - since < manual_hold_sec:
            left_alone[name] = "changed by somebody else"
        else:
            due += _step(name, min(target, SALAD_MAX_REPLICAS), state)
    return Steps(tuple(due), left_alone, known)


def _seen(state: GroupState, last: LastSet | None, now: float) -> LastSet:
    if last is None or state.replicas in (last.replicas, last.tried):
        return LastSet(state.replicas)
    return replace(last, foreign_since=last.foreign_since if last.foreign_since is not None else now)


def _step(name: str, wanted: int, state: GroupState) -> list[Step]:
    replicas = wanted if wanted != state.replicas else None
    start = state.is_stopped and wanted > 0
    return [Step(name, replicas, start)] if replicas is not None or start else []
