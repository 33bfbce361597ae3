"""Renders the simulator's data as Salad's JSON objects. No I/O."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from infra.local.salad_sim import fleet
from infra.local.salad_sim.fleet import ContainerGroup, Instance
from infra.local.salad_sim.jobs import JobStatus, QueueJob
from infra.local.salad_sim.world import Queue

# Salad says `cancelled` in a job's status and `canceled` in its webhook's type.
_WEBHOOK_TYPES = {
    JobStatus.SUCCEEDED: "queue.job.succeeded",
    JobStatus.FAILED: "queue.job.failed",
    JobStatus.CANCELLED: "queue.job.canceled",
}


def timestamp(moment: datetime) -> str:
    """Returns ISO 8601 with seven fractional digits, as .NET writes it. moment: in UTC."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z"


def job_json(job: QueueJob, *, event_key: str = "action") -> dict[str, Any]:
    """Returns a QueueJob. event_key: the name of the event's kind, `action` over REST, `type` in a webhook."""
    shown: dict[str, Any] = {
        "id": job.id,
        "input": job.input,
        "status": job.status.value,
        "events": [{event_key: event.action, "time": timestamp(event.time)} for event in job.events],
        "create_time": timestamp(job.created_at),
        "update_time": timestamp(job.updated_at),
    }
    if job.metadata is not None:
        shown["metadata"] = job.metadata
    if job.webhook is not None:
        shown["webhook"] = job.webhook
    if job.output is not None:
        shown["output"] = _output(job.output)
    return shown


def webhook_json(job: QueueJob, now: datetime) -> dict[str, Any]:
    """Returns the body of a finished job's webhook."""
    return {
        "type": _WEBHOOK_TYPES[job.status],
        "timestamp": timestamp(now),
        "data": job_json(job, event_key="type"),
    }


def _output(output: bytes) -> Any:
    """Returns the worker's body: parsed if it is JSON that can be written again, else as text."""
    try:
        parsed = json.loads(output)
        json.dumps(parsed)
    except (ValueError, RecursionError):  # the latter: brackets in brackets in brackets
        return output.decode("utf-8", errors="replace")
    return parsed


def queue_json(
    queue: Queue, length: int, groups: Iterable[tuple[ContainerGroup, Sequence[Instance]]], owner: tuple[str, str]
) -> dict[str, Any]:
    """Returns a Queue. length: pending jobs; groups: with their instances; owner: organization, project."""
    return {
        "id": queue.id,
        "name": queue.name,
        "display_name": queue.display_name,
        "description": queue.description,
        "current_queue_length": length,
        "container_groups": [group_json(group, instances, owner) for group, instances in groups],
        "create_time": timestamp(queue.created_at),
        "update_time": timestamp(queue.updated_at),
    }


def group_json(group: ContainerGroup, instances: Sequence[Instance], owner: tuple[str, str]) -> dict[str, Any]:
    """Returns a ContainerGroup with its current state. owner: organization, project."""
    body = group.body
    shown: dict[str, Any] = {
        "id": group.id,
        "name": group.name,
        "display_name": body.get("display_name", group.name),
        "organization_name": owner[0],
        "project_name": owner[1],
        "container": _container_json(body["container"]),
        "autostart_policy": body["autostart_policy"],
        "restart_policy": body["restart_policy"],
        "replicas": body["replicas"],
        "priority": body["container"].get("priority", "high"),
        "country_codes": body.get("country_codes", []),
        "scaling-actions": body.get("scaling-actions", []),
        "scheduled-scaling-enabled": body.get("scheduled-scaling-enabled", False),
        "pending_change": any(one.version < group.version for one in instances),
        "version": group.version,
        "create_time": timestamp(group.created_at),
        "update_time": timestamp(group.updated_at),
        "current_state": {
            "status": fleet.group_status(group, instances),
            "description": "",
            "start_time": timestamp(group.created_at),
            "finish_time": timestamp(group.updated_at),
            "instance_status_counts": fleet.counts(instances),
        },
    }
    for name in ("queue_connection", "queue_autoscaler", "readiness_probe", "liveness_probe", "startup_probe"):
        if body.get(name) is not None:
            shown[name] = body[name]
    if body.get("networking") is not None:
        # Salad adds one field: the address of the group
        shown["networking"] = {"dns": f"{group.name}.salad.cloud", "load_balancer": "round_robin", **body["networking"]}
    return shown


def _container_json(container: dict[str, Any]) -> dict[str, Any]:
    """Returns a Container as answers have it: without the request's credentials and priority."""
    shown: dict[str, Any] = {
        name: container[name] for name in ("image", "environment_variables", "image_caching") if name in container
    }
    resources = {"gpu_classes": [], **container["resources"]}
    return {**shown, "command": container.get("command"), "resources": resources}


def instance_json(instance: Instance) -> dict[str, Any]:
    """Returns a ContainerGroupInstance."""
    return {
        "id": instance.id,
        "machine_id": instance.machine_id,
        "state": instance.state.value,
        "version": instance.version,
        "ready": instance.ready,
        "started": instance.pid is not None,
        "deletion_cost": instance.deletion_cost,
        "update_time": timestamp(instance.updated_at),
    }


def problem_json(status: int, title: str, detail: str) -> dict[str, Any]:
    """Returns problem details (RFC 9457)."""
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}
