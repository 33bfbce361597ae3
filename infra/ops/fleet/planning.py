"""Compares the file with Salad and plans what to create, change, leave and refuse. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.ops.fleet.model import (
    ENVIRONMENT,
    PROBES,
    UNKNOWN_SECRET,
    Change,
    DesiredFleet,
    DesiredGroup,
    GroupPlan,
    LiveGroup,
    LiveState,
    Plan,
)

CREDENTIALS = "registry_credentials"
PROBE_KINDS = ("http", "tcp", "exec", "grpc")
# A change of one of these makes Salad replace every instance of the group at once.
REPLACING = frozenset({"image", "command", "priority", "gpu_classes", "cpu", "memory_mb", "shm_mb", "storage_mb"})


def make_plan(fleet: DesiredFleet, state: LiveState, *, send_credentials: bool = False) -> Plan:
    """Returns the plan; send_credentials: also send registry credentials to groups without another change."""
    groups = tuple(_group_plan(group, state.groups.get(group.name), send_credentials) for group in fleet.groups)
    queue_changes = _queue_changes(fleet, state)
    named = {group.name for group in fleet.groups}
    return Plan(
        fleet=fleet,
        queue_action="create" if state.queue is None else "change" if queue_changes else "leave",
        queue_changes=queue_changes,
        groups=groups,
        unmanaged=tuple(group for group in _attached(fleet, state) if group.name not in named),
        refusals=tuple(_quota_refusal(fleet, state)),
    )


def replaces_instances(change: Change) -> bool:
    """Returns whether Salad replaces all instances of the group because of the change."""
    return change.name in REPLACING or change.name in PROBES or change.name.startswith(ENVIRONMENT)


def other_replicas(fleet: DesiredFleet, state: LiveState) -> int:
    """Returns how many replicas outside the file's groups count against the quota."""
    ours = sum(state.groups[group.name].replicas for group in fleet.groups if group.name in state.groups)
    return max(0, state.quota_used - ours)


def _attached(fleet: DesiredFleet, state: LiveState) -> Iterator[LiveGroup]:
    for group in state.groups.values():
        if group.connection is not None and group.connection.queue == fleet.queue.name:
            yield group


def _queue_changes(fleet: DesiredFleet, state: LiveState) -> tuple[Change, ...]:
    if state.queue is None:
        return ()
    pairs = (
        ("display_name", state.queue.display_name, fleet.queue.display_name),
        ("description", state.queue.description, fleet.queue.description),
    )
    return tuple(Change(name, old, new) for name, old, new in pairs if new is not None and new != old)


def _group_plan(desired: DesiredGroup, live: LiveGroup | None, send_credentials: bool) -> GroupPlan:
    if live is None:
        return GroupPlan(desired=desired, live=None)
    refusals = tuple(_refusals(desired, live))
    if refusals:
        return GroupPlan(desired=desired, live=live, refusals=refusals)
    changes = list(_changes(desired, live))
    if send_credentials and desired.credentials is not None:
        changes.append(Change(CREDENTIALS, None, desired.credentials, is_secret=True))
    return GroupPlan(desired=desired, live=live, changes=tuple(changes), drift=tuple(_drift(desired, live)))


def _changes(desired: DesiredGroup, live: LiveGroup) -> Iterator[Change]:
    for name, new in desired.fields.items():
        old = live.fields.get(name)
        if new is not UNKNOWN_SECRET and new != old:
            yield Change(name, old, new, is_secret=name in desired.secret_fields)


def _refusals(desired: DesiredGroup, live: LiveGroup) -> Iterator[str]:
    """Yields why a group cannot be changed to what the file says, one sentence each."""
    wanted, found = desired.connection, live.connection
    if found is None or found.queue != wanted.queue:
        where = "to no queue" if found is None else f"to the queue {found.queue}"
        yield (
            f"{live.name}: the name is taken by a container group that is attached {where}; a group keeps the queue "
            f"it was created with, so choose another name or remove that group"
        )
    elif found != wanted:
        yield (
            f"{live.name}: it sends jobs to port {found.port}, {found.path}, the file says port {wanted.port}, "
            f"{wanted.path}; Salad cannot change that, so add a group under another name and destroy this one"
        )
    elif live.autoscaled:
        yield (
            f"{live.name}: Salad's own autoscaler is on and would set replicas against the tick; its API cannot "
            f"switch it off, so do that in Salad's portal, or destroy this group and apply again"
        )
    for name in PROBES:
        kinds = [_kind(fields.get(name)) for fields in (live.fields, desired.fields)]
        if None not in kinds and kinds[0] != kinds[1]:
            yield (
                f"{live.name}: {name} is of the kind {kinds[0]}, the file says {kinds[1]}; Salad's API cannot change "
                f"that, so add a group under another name and destroy this one"
            )


def _kind(probe: Mapping[str, Any] | None) -> str | None:
    return next((kind for kind in PROBE_KINDS if kind in probe), None) if probe else None


def _drift(desired: DesiredGroup, live: LiveGroup) -> Iterator[str]:
    """Yields the differences that apply cannot remove, one sentence each."""
    for reason in live.foreign:
        yield f"{live.name}: {reason}, which the file cannot express; undo it at Salad, or pass --accept-drift"
    wanted = {name for name in desired.fields if name.startswith(ENVIRONMENT)}
    for name in sorted(live.fields):
        if name.startswith(ENVIRONMENT) and name not in wanted:
            yield (
                f"{live.name}: {name} is set at Salad and not in the file; Salad's API cannot remove a variable, so "
                f"write it in the file, or create a new group, or pass --accept-drift"
            )


def _quota_refusal(fleet: DesiredFleet, state: LiveState) -> Iterator[str]:
    most, others = sum(group.most for group in fleet.groups), other_replicas(fleet, state)
    if most + others > state.quota:
        beside = f", in addition to {others} of other groups" if others else ""
        yield (
            f"the quota of {state.quota} replicas is too small: the file's groups may have {most} in all{beside}; "
            f"lower replicas or max in the file, or ask Salad for a higher quota"
        )
