"""Turns the file into the wanted fields of each group: GPU names into ids, secret references into values. Pure."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.ops.fleet.file_model import FleetFile, Group, Probe, SecretReference
from infra.ops.fleet.model import ENVIRONMENT, UNKNOWN_SECRET, Connection, DesiredFleet, DesiredGroup, GpuClass
from infra.ops.fleet.parsing import FleetFileError
from infra.ops.fleet.references import credential_values

# Salad's defaults for the fields that a probe leaves out, from its OpenAPI file; its API requires all of them.
PROBE_DEFAULTS: Mapping[str, Mapping[str, int]] = {
    "readiness_probe": {"period_seconds": 1, "timeout_seconds": 1, "success_threshold": 1, "failure_threshold": 3},
    "liveness_probe": {"period_seconds": 10, "timeout_seconds": 30, "success_threshold": 1, "failure_threshold": 3},
    "startup_probe": {"period_seconds": 3, "timeout_seconds": 10, "success_threshold": 2, "failure_threshold": 15},
}
SUGGESTED = 3


def desired_fleet(file: FleetFile, secrets: Mapping[str, str], gpu_classes: Sequence[GpuClass]) -> DesiredFleet:
    """Returns the wanted fleet; an unknown secret becomes UNKNOWN_SECRET. Raises FleetFileError for unknown GPUs."""
    faults: list[str] = []
    groups = []
    for number, group in enumerate(file.groups):
        ids = _gpu_ids(f"groups[{number}].gpu_classes", group.gpu_classes, gpu_classes, faults)
        groups.append(_group(group, file.queue.name, secrets, ids))
    if faults:
        raise FleetFileError(faults)
    return DesiredFleet(organization=file.organization, project=file.project, queue=file.queue, groups=tuple(groups))


def _group(group: Group, queue: str, secrets: Mapping[str, str], gpu_ids: tuple[str, ...]) -> DesiredGroup:
    scaling = group.scaling
    is_fixed = scaling.mode == "fixed"
    return DesiredGroup(
        name=group.name,
        connection=Connection(queue, group.queue_connection.port, group.queue_connection.path),
        scaling=scaling.mode,
        least=scaling.replicas if scaling.mode == "fixed" else scaling.min,
        most=scaling.replicas if scaling.mode == "fixed" else scaling.max,
        fields=dict(_fields(group, secrets, gpu_ids)) | (_owned(group) if is_fixed else {}),
        secret_fields=frozenset(
            ENVIRONMENT + name for name, value in group.environment.items() if isinstance(value, SecretReference)
        ),
        credentials=_credentials(group, secrets),
    )


def _fields(group: Group, secrets: Mapping[str, str], gpu_ids: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if group.display_name is not None:
        yield "display_name", group.display_name
    yield "image", group.image
    yield "command", tuple(group.command) if group.command else None
    yield "priority", group.priority
    yield "gpu_classes", gpu_ids
    yield "cpu", group.cpu
    yield "memory_mb", group.memory_mb
    yield "shm_mb", group.shm_mb
    if group.storage_mb is not None:
        yield "storage_mb", group.storage_mb
    yield "countries", tuple(sorted(set(group.countries)))
    for name, value in group.environment.items():
        yield ENVIRONMENT + name, _value(value, secrets)
    probes = group.probes
    for kind, probe in zip(PROBE_DEFAULTS, (probes.readiness, probes.liveness, probes.startup), strict=True):
        yield kind, None if probe is None else _probe(kind, probe)
    yield "scheduled_scaling", False  # it would set replicas too, against the tick


def _owned(group: Group) -> dict[str, Any]:
    """Returns the fields that this command sets in a fixed group only; in the other groups the tick sets them."""
    replicas = group.scaling.replicas if group.scaling.mode == "fixed" else 0
    return {"replicas": replicas} | ({"started": True} if replicas else {})


def _probe(kind: str, probe: Probe) -> dict[str, Any]:
    """Returns the probe in the form of Salad's API."""
    timing = {"initial_delay_seconds": 0, **PROBE_DEFAULTS[kind]}
    given = {name: getattr(probe, name) for name in timing if getattr(probe, name) is not None}
    shown: dict[str, Any] = {**timing, **given}
    if probe.http is not None:
        headers = [{"name": name, "value": value} for name, value in probe.http.headers.items()]
        http = {"path": probe.http.path, "port": probe.http.port, "scheme": probe.http.scheme, "headers": headers}
        return {"http": http, **shown}
    if probe.tcp is not None:
        return {"tcp": {"port": probe.tcp.port}, **shown}
    return {"exec": {"command": list(probe.exec.command if probe.exec else ())}, **shown}


def _value(value: SecretReference | str, secrets: Mapping[str, str]) -> Any:
    return secrets.get(value.secret, UNKNOWN_SECRET) if isinstance(value, SecretReference) else value


def _credentials(group: Group, secrets: Mapping[str, str]) -> dict[str, dict[str, Any]] | None:
    """Returns the registry's credentials in the form of Salad's API."""
    given: dict[str, dict[str, Any]] = {}
    for place, value in credential_values(group):
        kind, _, name = place.partition(".")
        given.setdefault(kind, {})[name] = _value(value, secrets)
    return given or None


def _gpu_ids(place: str, names: Sequence[str], classes: Sequence[GpuClass], faults: list[str]) -> tuple[str, ...]:
    """Returns the sorted ids; each unknown name is added to `faults`."""
    by_name = {_plain(one.name): one.id for one in classes} | {one.id: one.id for one in classes}
    found = set()
    for number, name in enumerate(names):
        gpu_id = by_name.get(_plain(name))
        if gpu_id is None:
            nearest = difflib.get_close_matches(_plain(name), [_plain(one.name) for one in classes], SUGGESTED, 0.4)
            known = {_plain(one.name): one.name.strip() for one in classes}
            hint = f"; the nearest are {', '.join(known[match] for match in nearest)}" if nearest else ""
            faults.append(f"{place}[{number}]: Salad has no GPU class {name!r}{hint}")
        else:
            found.add(gpu_id)
    return tuple(sorted(found))


def _plain(name: str) -> str:
    """Returns a name in the form in which names are compared: one of Salad's names begins with a space."""
    return " ".join(name.lower().split())
