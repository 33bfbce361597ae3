"""Snapshots and decisions as JSON values: snapshots_to_keep for the next tick, and archived for analysis. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from avatar_jobs.domain.salad import INSTANCE_STATES, GroupCounts
from avatar_jobs.domain.scaling.actuate import LastSet
from avatar_jobs.domain.scaling.model import HISTORY_SEC, Plan, ScalingConfig, Snapshot
from avatar_jobs.domain.scaling.observe import valid_count

# The last minutes as they were seen, for the hold; before them one snapshot a minute, for the means and the stuck rule.
# The design's ring of 60, twice: a tick of 5 s, as in the rehearsal, still sees an hour.
DENSE, SPARSE = 60, 60
SPARSE_SEC = HISTORY_SEC / SPARSE


def to_record(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as JSON values."""
    groups = snapshot.groups or {}
    return {
        "at": round(snapshot.at, 3),
        "queue_length": snapshot.queue_length,
        "running_jobs": snapshot.running_jobs,
        "groups": {
            name: {"replicas": one.replicas, **{state: getattr(one, state) for state in INSTANCE_STATES}}
            for name, one in groups.items()
        }
        or None,
    }


def from_record(record: Any) -> Snapshot | None:
    """A snapshot from its record, None for what no release of ours wrote."""
    if not isinstance(record, dict) or not isinstance(record.get("at"), int | float):
        return None
    groups = record.get("groups")
    read = {
        str(name): GroupCounts(one["replicas"], **{state: valid_count(one.get(state)) for state in INSTANCE_STATES})
        for name, one in (groups.items() if isinstance(groups, dict) else ())
        if isinstance(one, dict) and valid_count(one.get("replicas")) is not None
    }
    return Snapshot(
        float(record["at"]),
        valid_count(record.get("queue_length")),
        valid_count(record.get("running_jobs")),
        read or None,
    )


def history_with(records: Any, newest: Snapshot) -> list[Snapshot]:
    """The snapshots_to_keep snapshots of the last hour and the newest one, oldest first."""
    found = [from_record(record) for record in (records if isinstance(records, list) else [])]
    known = [one for one in found if one is not None and newest.at - HISTORY_SEC <= one.at < newest.at]
    return [*sorted(known, key=lambda one: one.at), newest]


def snapshots_to_keep(history: Sequence[Snapshot]) -> list[dict[str, Any]]:
    """The records to keep for the next tick: the newest DENSE snapshots, and before them one a minute."""
    recent, older = history[-DENSE:], history[:-DENSE]
    thinned: list[Snapshot] = []
    for snapshot in older:
        if not thinned or snapshot.at - thinned[-1].at >= SPARSE_SEC:
            thinned.append(snapshot)
    return [to_record(snapshot) for snapshot in [*thinned[-SPARSE:], *recent]]


def explanation(plan: Plan, config: ScalingConfig) -> dict[str, Any]:
    """A decision for health, logs and the archive."""
    return {
        "rule": config.rule,
        "reason": plan.reason,
        "need": plan.need,
        "mean_queue_15_min": plan.mean_15_min,
        "mean_queue_60_min": plan.mean_60_min,
        "jobs_per_replica": plan.jobs_per_replica,
        "groups": {name: {"target": one.target, "reason": one.reason} for name, one in plan.groups.items()},
    }


def last_set_record(last: Mapping[str, LastSet]) -> dict[str, Any]:
    """What groups were last set to, as JSON values."""
    return {
        name: {"replicas": one.replicas, "tried": one.tried, "foreign_since": one.foreign_since}
        for name, one in last.items()
    }


def last_set_of(record: Any) -> dict[str, LastSet]:
    """Reads it back; what makes no sense is left out, as if we had never had a say."""
    found = {}
    for name, one in record.items() if isinstance(record, dict) else ():
        replicas = valid_count(one.get("replicas")) if isinstance(one, dict) else None
        if replicas is not None:
            since = one.get("foreign_since")
            found[str(name)] = LastSet(
                replicas, valid_count(one.get("tried")), float(since) if isinstance(since, int | float) else None
            )
    return found
