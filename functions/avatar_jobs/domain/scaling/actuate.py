"""Turns a plan into the calls that are due: real changes only, none to a group that was changed from outside. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.salad import GroupView
from avatar_jobs.domain.scaling.model import SALAD_MAX_REPLICAS, Plan

REFUSED = (400, 403, 409, 422)  # Salad understood the change and refused it: often the organisation's quota


@dataclass(frozen=True)
class LastSet:
    """The replicas that the scaler last set for a group, or accepted from outside.

    tried: the replicas of a call whose outcome is unknown; foreign_since: when a change from outside (by a person or
    another program) was first seen, in seconds since the epoch.
    """

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
    """What to do with the groups.

    due: the changes to send; left_alone: why a group is not changed, by name; known: what is known of each group
    before any change is sent.
    """

    due: tuple[Step, ...]
    left_alone: Mapping[str, str]
    known: Mapping[str, LastSet]


@dataclass(frozen=True)
class Outcome:
    """What became of the changes, by group.

    changed: the replicas that were set; failed: why a change failed; left_alone: why a group was not changed;
    is_refused: Salad refused at least one change; last_set: what the next tick needs about each group.
    """

    last_set: Mapping[str, LastSet]
    changed: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    left_alone: Mapping[str, str] = field(default_factory=dict)
    is_refused: bool = False


def steps(
    plan: Plan, groups: Mapping[str, GroupView], last: Mapping[str, LastSet], now: float, manual_hold_sec: float
) -> Steps:
    """Returns what to change. now: seconds since the epoch.

    A group whose replicas are neither what was set nor what was tried was changed from outside. It is left alone for
    manual_hold_sec seconds from when that was first seen; after that it is scaled again.
    """
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


def outcome_of(todo: Steps, problems: Mapping[str, ProviderError | None]) -> Outcome:
    """Returns what became of the steps. problems: for each step that was sent, what went wrong, None when it worked.

    A failed call may have changed the group all the same, so its replicas are kept as tried.
    """
    failed = {name: problem for name, problem in problems.items() if problem is not None}
    wanted = {step.name: step.replicas for step in todo.due if step.name in problems}
    changed = {name: count for name, count in wanted.items() if count is not None and name not in failed}
    tried = {name: replace(todo.known[name], tried=wanted[name]) for name in failed}
    return Outcome(
        last_set={**todo.known, **tried, **{name: LastSet(count) for name, count in changed.items()}},
        changed=changed,
        failed={name: str(problem) for name, problem in failed.items()},
        left_alone=todo.left_alone,
        is_refused=any(problem.status in REFUSED for problem in failed.values()),
    )


def _seen(replicas: int, last: LastSet | None, now: float) -> LastSet:
    if last is None or replicas in (last.replicas, last.tried):
        return LastSet(replicas)
    return replace(last, foreign_since=last.foreign_since if last.foreign_since is not None else now)


def _step(name: str, wanted: int, group: GroupView) -> list[Step]:
    replicas = wanted if wanted != group.counts.replicas else None
    start = group.is_stopped and wanted > 0
    return [Step(name, replicas, start)] if replicas is not None or start else []
