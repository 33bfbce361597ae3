"""Builds the request bodies of Salad's API that create and change the queue and groups. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from infra.ops.fleet.file_model import MIB, QueueSpec
from infra.ops.fleet.model import ENVIRONMENT, PROBES, Change, DesiredGroup
from infra.ops.fleet.planning import CREDENTIALS

RESOURCES = {"cpu": "cpu", "memory_mb": "memory", "shm_mb": "shm_size", "storage_mb": "storage_amount"}


def queue_body(queue: QueueSpec) -> dict[str, Any]:
    """Returns the body that creates the queue."""
    return queue.model_dump(exclude_none=True)


def queue_patch(changes: Iterable[Change]) -> dict[str, Any]:
    """Returns the body that changes the queue."""
    return {change.name: change.new for change in changes}


def group_body(group: DesiredGroup) -> dict[str, Any]:
    """Returns the body that creates a group; absent fields (a probe, a command) are left out."""
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
    """Returns the merge patch that changes a group; it is empty when the group only has to be started.

    With a new image it also sends the registry's credentials: the stored ones may belong to another registry.
    """
    changed = {change.name: change.new for change in changes}
    body = _body(changed)
    if group.credentials is not None and {"image", CREDENTIALS} & set(changed):
        body.setdefault("container", {})["registry_authentication"] = group.credentials
    return body


def _body(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields in the form that creation and patch share; null removes a value."""
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
