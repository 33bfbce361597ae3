"""Writes the request bodies of Salad's API for what has to be created or changed. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from infra.ops.fleet.file_model import MIB, QueueSpec
from infra.ops.fleet.model import ENVIRONMENT, PROBES, Change, DesiredGroup
from infra.ops.fleet.planning import CREDENTIALS

RESOURCES = {"cpu": "cpu", "memory_mb": "memory", "shm_mb": "shm_size", "storage_mb": "storage_amount"}


def queue_body(queue: QueueSpec) -> dict[str, Any]:
    """The body that creates the queue."""
    return queue.model_dump(exclude_none=True)


def queue_patch(changes: Iterable[Change]) -> dict[str, Any]:
    """The body that changes the queue."""
    return {change.name: change.new for change in changes}


def group_body(group: DesiredGroup) -> dict[str, Any]:
    """The body that creates a group; what is none (a probe, a command) is left out."""
    given = {name: value for name, value in group.fields.items() if value not in (None, ())}
    body = {
        "name": group.name,
        "autostart_policy": True,
        "restart_policy": "always",
        "queue_connection": {
            "queue_name": group.connection.queue,
            "port": group.connection.port,
            "path": group.connection.path,
        },
        **_body(given),
        "replicas": group.least,
    }
    if group.credentials is not None:
        body["container"]["registry_authentication"] = group.credentials
    return body


def group_patch(group: DesiredGroup, changes: Iterable[Change]) -> dict[str, Any]:
    """The merge patch that changes a group; empty when the group has only to be started.

    A new image brings the registry's credentials along: the old ones may have been of another registry.
    """
    changed = {change.name: change.new for change in changes}
    body = _body(changed)
    if group.credentials is not None and {"image", CREDENTIALS} & set(changed):
        body.setdefault("container", {})["registry_authentication"] = group.credentials
    return body


def _body(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in the shape that creation and patch share; null stands for what shall be no more."""
    body: dict[str, Any] = {name: fields[name] for name in ("display_name", "replicas", *PROBES) if name in fields}
    if "countries" in fields:
        body["country_codes"] = list(fields["countries"]) or None  # an empty list is refused
    if "scheduled_scaling" in fields:
        body["scheduled-scaling-enabled"] = fields["scheduled_scaling"]
    container = _container(fields)
    return body | ({"container": container} if container else {})


def _container(fields: Mapping[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = {name: fields[name] for name in ("image", "priority") if name in fields}
    if "command" in fields:
        container["command"] = list(fields["command"] or ()) or None
    variables = {name.removeprefix(ENVIRONMENT): fields[name] for name in fields if name.startswith(ENVIRONMENT)}
    resources = {RESOURCES[name]: fields[name] for name in RESOURCES if name in fields}
    if "storage_amount" in resources:
        resources["storage_amount"] *= MIB
    if "gpu_classes" in fields:
        resources["gpu_classes"] = list(fields["gpu_classes"])
    return container | {
        name: part for name, part in (("environment_variables", variables), ("resources", resources)) if part
    }
