"""Parses Salad's answers into plain data, and lists the settings in them that fleet.yaml cannot express. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from infra.ops.fleet.file_model import MIB
from infra.ops.fleet.model import ENVIRONMENT, PROBES, Connection, GpuClass, LiveGroup, LiveQueue

STATES = ("running", "creating", "allocating", "stopping")
# The fields of Salad's answers, from its OpenAPI file. Any other field is a setting that is newer than this command.
_GROUP = """
autostart_policy container country_codes create_time current_state display_name id liveness_probe name networking
organization_name pending_change priority project_name queue_autoscaler queue_connection readiness_probe readme
replicas restart_policy scaling-actions scheduled-scaling-enabled startup_probe update_time version
"""
_CONTAINER = "command environment_variables hash image image_caching logging resources size"
_RESOURCES = "cpu memory gpu_classes shm_size storage_amount"
GROUP_NAMES, CONTAINER_NAMES, RESOURCE_NAMES = (frozenset(names.split()) for names in (_GROUP, _CONTAINER, _RESOURCES))
DEFAULT_SHM_MB = 64


def live_group(answer: Mapping[str, Any]) -> LiveGroup:
    """Parses a ContainerGroup. Raises KeyError, TypeError or ValueError for any other answer."""
    connection = answer.get("queue_connection")
    state = answer["current_state"]
    counts = state["instance_status_counts"]
    return LiveGroup(
        name=answer["name"],
        connection=Connection(connection["queue_name"], connection["port"], connection["path"]) if connection else None,
        fields=_fields(answer),
        status=state["status"],
        counts={name: int(counts.get(f"{name}_count") or 0) for name in STATES},
        foreign=tuple(_foreign(answer)),
        autoscaled=bool(answer.get("queue_autoscaler")),
    )


def live_queue(answer: Mapping[str, Any]) -> LiveQueue:
    """Parses a Queue. Raises KeyError for any other answer."""
    return LiveQueue(
        name=answer["name"],
        display_name=answer["display_name"],
        description=answer.get("description") or "",
        length=int(answer.get("current_queue_length") or 0),
    )


def gpu_class(answer: Mapping[str, Any]) -> GpuClass:
    """Parses a GpuClass, without prices that are not numbers. Raises KeyError for any other answer."""
    prices = {}
    for price in answer["prices"]:
        try:
            prices[str(price["priority"])] = Decimal(price["price"])
        except InvalidOperation:
            continue
    return GpuClass(id=answer["id"], name=answer["name"].strip(), prices=prices)


def _fields(answer: Mapping[str, Any]) -> dict[str, Any]:
    container = answer["container"]
    resources = container["resources"]
    command = container.get("command")
    environment = container.get("environment_variables") or {}
    return {
        "display_name": answer["display_name"],
        "image": container["image"],
        "command": tuple(command) if command else None,
        "priority": answer.get("priority"),
        "gpu_classes": tuple(sorted(resources.get("gpu_classes") or ())),
        "cpu": resources["cpu"],
        "memory_mb": resources["memory"],
        "shm_mb": resources.get("shm_size") or DEFAULT_SHM_MB,
        "storage_mb": _mib(resources.get("storage_amount")),
        "countries": tuple(sorted(answer.get("country_codes") or ())),
        **{ENVIRONMENT + name: value for name, value in environment.items()},
        **{name: _without_null(answer[name]) if answer.get(name) else None for name in PROBES},
        "scheduled_scaling": bool(answer.get("scheduled-scaling-enabled")),
        "replicas": int(answer["replicas"]),
        "started": answer["current_state"]["status"] != "stopped",
    }


def _mib(amount: int | None) -> float | int | None:
    if amount is None:
        return None
    return amount // MIB if amount % MIB == 0 else amount / MIB


def _without_null(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_null(inner) for name, inner in value.items() if inner is not None}
    return value


def _foreign(answer: Mapping[str, Any]) -> Iterable[str]:
    container = answer["container"]
    if answer.get("restart_policy") != "always":
        yield f"its restart_policy is {answer.get('restart_policy')}, not always"
    if answer.get("networking"):
        yield "it has networking (a container gateway)"
    if container.get("logging"):
        yield "it has logging"
    for known, part, where in (
        (GROUP_NAMES, answer, ""),
        (CONTAINER_NAMES, container, "container."),
        (RESOURCE_NAMES, container["resources"], "container.resources."),
    ):
        yield from (f"it has {where}{name}" for name in sorted(set(part) - known) if part[name])
