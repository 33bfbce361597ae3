"""What the tests of scaling share: sets Salad's queue, and reads the replicas that the tick requested."""

import json
from typing import Any

from tests.support.functions import API_KEY
from tests.support.scripted_server import Answer
from tests.support.system import System

GROUPS = [
    {"name": "avatar-3060", "fixed": True, "warm_seconds": 60},
    {"name": "avatar-3080", "min": 0, "max": 19, "warm_seconds": 45},
]


def group(name: str, replicas: int, running: int | None = None, **changes: Any) -> dict[str, Any]:
    """A container group as `GET queue` shows it."""
    running = replicas if running is None else running
    counts = {
        "allocating_count": replicas - running,
        "creating_count": 0,
        "running_count": running,
        "stopping_count": 0,
    }
    state = {"status": "running", "instance_status_counts": counts}
    resources = {"gpu_classes": ["class-3080"]}
    container = {"resources": resources, "priority": "high"}
    return {"name": name, "replicas": replicas, "current_state": state, "container": container, **changes}


def salad_has(system: System, waiting: int | None, *groups: dict[str, Any]) -> None:
    """Sets Salad's answer about the queue from now on."""
    told = {"name": "jobs", "current_queue_length": waiting, "container_groups": list(groups)}
    system.salad.queue = Answer(200, json.dumps(told).encode())


def patches(system: System) -> list[tuple[str, Any]]:
    """The replicas that were asked for, in order."""
    calls = [call for call in system.salad.received if call.method == "PATCH"]
    return [(call.path.rsplit("/", 1)[1], json.loads(call.body)["replicas"]) for call in calls]


def health(system: System) -> Any:
    """GETs health."""
    return system.function("job_status").call("GET", "/v1/avatar/health", headers={"X-Internal-API-Key": API_KEY}).json


def minute(system: System) -> None:
    """Lets a minute pass and ticks."""
    system.move_clock(60)
    assert system.tick().json["lease"] == "held"
