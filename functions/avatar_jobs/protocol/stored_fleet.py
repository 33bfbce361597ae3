"""The stored form of the fleet as JSON values: what a tick stores for the next one, and what it archives. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avatar_jobs.domain.salad import INSTANCE_STATES, GroupCounts, valid_count
from avatar_jobs.domain.scaling.actuate import LastSet, Outcome
from avatar_jobs.domain.scaling.model import HISTORY_SEC, Plan, Snapshot
from avatar_jobs.domain.scaling.spend import Spend

# How many snapshots are kept: the newest DENSE ones for the hold, and older ones, one a minute, for the means and the
# stuck rule. So even a tick that runs every 5 s, as in the rehearsal, sees the last hour.
DENSE, SPARSE = 60, 60
SPARSE_SEC = HISTORY_SEC / SPARSE


@dataclass(frozen=True)
class FleetMemory:
    """What the last tick stored. spend: None when unknown; quota: the organisation's replicas, None when unknown."""

    snapshots: Sequence[Snapshot]
    spend: Spend | None
    last_set: Mapping[str, LastSet]
    quota: int | None


@dataclass(frozen=True)
class ScalingRecord:
    """One tick's scaling as JSON values. fleet: for the next tick and for health; archive: for analysis."""

    fleet: Mapping[str, Any]
    archive: Mapping[str, Any]


def to_record(snapshot: Snapshot) -> dict[str, Any]:
    """Returns a snapshot as JSON values."""
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
    """Returns the snapshot of a record, None when it is not the record of a snapshot."""
    if not isinstance(record, dict) or not isinstance(record.get("at"), int | float):
        return None
    groups = record.get("groups")
    read = {
        str(name): GroupCounts(one["replicas"], **{state: one.get(state) for state in INSTANCE_STATES})
        for name, one in (groups.items() if isinstance(groups, dict) else ())
        if isinstance(one, dict) and valid_count(one.get("replicas")) is not None
    }
    return Snapshot(float(record["at"]), record.get("queue_length"), record.get("running_jobs"), read)


def history_with(snapshots: Sequence[Snapshot], newest: Snapshot) -> list[Snapshot]:
    """Returns the snapshots of the last hour and the newest one, oldest first."""
    known = [one for one in snapshots if newest.at - HISTORY_SEC <= one.at < newest.at]
    return [*sorted(known, key=lambda one: one.at), newest]


def snapshots_to_keep(history: Sequence[Snapshot]) -> list[dict[str, Any]]:
    """Returns the records for the next tick: the newest DENSE snapshots, and before them one a minute."""
    recent, older = history[-DENSE:], history[:-DENSE]
    thinned: list[Snapshot] = []
    for snapshot in older:
        if not thinned or snapshot.at - thinned[-1].at >= SPARSE_SEC:
            thinned.append(snapshot)
    return [to_record(snapshot) for snapshot in [*thinned[-SPARSE:], *recent]]


def scaling_record(plan: Plan, rule: str, outcome: Outcome, *, observe_only: bool) -> dict[str, Any]:
    """Returns a decision and its outcome, for the health endpoint, logs and the archive."""
    return {
        "rule": rule,
        "reason": plan.reason,
        "need": plan.need,
        "mean_queue_15_min": plan.mean_15_min,
        "mean_queue_60_min": plan.mean_60_min,
        "jobs_per_replica": plan.jobs_per_replica,
        "groups": {name: {"target": one.target, "reason": one.reason} for name, one in plan.groups.items()},
        "changed": dict(outcome.changed),
        "failed": dict(outcome.failed),
        "left_alone": dict(outcome.left_alone),
        "refused": outcome.is_refused,
        "observe_only": observe_only,
    }


def fleet_record(
    history: Sequence[Snapshot],
    instances: Mapping[str, int] | None,
    scaling: Mapping[str, Any] | None,
    spend: Spend,
    last_set: Mapping[str, LastSet],
    quota: int | None,
) -> dict[str, Any]:
    """Returns what the next tick and the health endpoint need."""
    return {
        "queue_length": history[-1].queue_length,
        "instances": instances,
        "scaling": scaling,
        "spend": {"day": spend.day, "usd": round(spend.usd, 6)},
        "last_set": last_set_record(last_set),
        "quota": quota,
        "snapshots": snapshots_to_keep(history),
    }


def read_fleet(text: Any) -> dict[str, Any]:
    """Returns the fleet state that was stored as JSON text; none when it cannot be read, as if no tick had run yet."""
    try:
        fleet = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
    return fleet if isinstance(fleet, dict) else {}


def read_snapshots(texts: Iterable[Any]) -> list[dict[str, Any]]:
    """Returns archived snapshots that were stored as JSON texts, without those that cannot be read."""
    return [snapshot for text in texts if (snapshot := read_fleet(text))]


def read_memory(fleet: Mapping[str, Any]) -> FleetMemory:
    """Returns what the last tick stored. What cannot be read is left out, as if no tick had run yet."""
    return FleetMemory(
        snapshots=_snapshots(fleet.get("snapshots")),
        spend=_spend(fleet.get("spend")),
        last_set=last_set_of(fleet.get("last_set")),
        quota=valid_count(fleet.get("quota")),
    )


def archive_record(
    snapshot: Snapshot,
    queued_jobs: int | None,
    oldest_wait_sec: float | None,
    scaling: Mapping[str, Any] | None,
    spend: Spend | None,
) -> dict[str, Any]:
    """Returns what one tick archives for analysis. None: unknown."""
    return {
        **to_record(snapshot),
        "queued_jobs": queued_jobs,
        "oldest_wait_sec": oldest_wait_sec,
        "spend_usd": round(spend.usd, 6) if spend else None,
        "spend_added_usd": round(spend.added, 6) if spend else None,
        "scaling": scaling,
    }


def _snapshots(records: Any) -> list[Snapshot]:
    found = [from_record(record) for record in (records if isinstance(records, list) else [])]
    return [one for one in found if one is not None]


def _spend(record: Any) -> Spend | None:
    usd = record.get("usd") if isinstance(record, dict) else None
    if not isinstance(usd, int | float) or isinstance(usd, bool) or usd < 0:
        return None
    return Spend(str(record.get("day")), float(usd))


def last_set_record(last: Mapping[str, LastSet]) -> dict[str, Any]:
    """Returns what the groups were last set to, as JSON values."""
    return {
        name: {"replicas": one.replicas, "tried": one.tried, "foreign_since": one.foreign_since}
        for name, one in last.items()
    }


def last_set_of(record: Any) -> dict[str, LastSet]:
    """Returns what the groups were last set to. An unreadable entry is left out, as if the group had never been set."""
    found = {}
    for name, one in record.items() if isinstance(record, dict) else ():
        replicas = valid_count(one.get("replicas")) if isinstance(one, dict) else None
        if replicas is not None:
            since = one.get("foreign_since")
            found[str(name)] = LastSet(
                replicas, valid_count(one.get("tried")), float(since) if isinstance(since, int | float) else None
            )
    return found
