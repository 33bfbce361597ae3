"""A fleet file, and a Salad in this process that keeps what the fleet command sends: for the command's tests."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from infra.local.salad_sim import fleet_actions, queue_actions, spec, wire
from infra.local.salad_sim.world import World
from infra.ops.fleet import bodies
from infra.ops.fleet.desired import desired_fleet
from infra.ops.fleet.file_model import FleetFile
from infra.ops.fleet.live import gpu_class, live_group, live_queue
from infra.ops.fleet.model import DesiredFleet, GpuClass, LiveState, Plan
from infra.ops.fleet.parsing import parse

SPEC = spec.load()
OWNER = ("rehearsal", "avatar")
GPU_ANSWER = json.loads((spec._FOLDER / "salad-gpu-classes.json").read_text())
GPU_CLASSES: tuple[GpuClass, ...] = tuple(map(gpu_class, GPU_ANSWER["items"]))
FIXED = {"mode": "fixed", "replicas": 1, "warm_seconds": 60}
TICK = {"mode": "tick", "min": 0, "max": 19, "warm_seconds": 45}


def group(name: str = "workers", **fields: Any) -> dict[str, Any]:
    """Returns one group of the file; a field that is None is left out."""
    plain = {
        "name": name,
        "image": "registry/worker:1",
        "gpu_classes": ["RTX 3060 (12 GB)"],
        "priority": "high",
        "cpu": 2,
        "memory_mb": 4096,
        "scaling": TICK,
        **fields,
    }
    return {field: value for field, value in plain.items() if value is not None}


def document(*groups: Mapping[str, Any], **top: Any) -> dict[str, Any]:
    """Returns the content of a file; the default groups are a fixed one and one that the tick scales."""
    listed = groups or (group("always", scaling=FIXED), group("scaled"))
    plain = {"organization": "rehearsal", "project": "avatar", "queue": {"name": "jobs"}, "groups": list(listed)}
    return json.loads(json.dumps({**plain, **top}))


def text_of(content: Mapping[str, Any]) -> str:
    """Returns the text of a file."""
    return yaml.safe_dump(dict(content), sort_keys=False)


def file_of(*groups: Mapping[str, Any], **top: Any) -> FleetFile:
    """Returns a parsed file."""
    return parse(text_of(document(*groups, **top)))


def fleet_of(*groups: Mapping[str, Any], secrets: Mapping[str, str] | None = None, **top: Any) -> DesiredFleet:
    """Returns the fleet that a file wants."""
    return desired_fleet(file_of(*groups, **top), secrets or {}, GPU_CLASSES)


class PlainSalad:
    """The simulator's rules without its server; it checks every body with Salad's OpenAPI file."""

    def __init__(self, quota: int = 500) -> None:
        ids = map(str, itertools.count(1))
        self._quota = quota
        self.world = World(webhook_keys={}, on_finished=lambda job: None, new_id=lambda: next(ids))

    def create_queue(self, body: dict[str, Any]) -> None:
        """Creates a queue."""
        assert SPEC.component_faults("QueuePrototype", body) == []
        queue_actions.create_queue(self.world, body)

    def create_group(self, body: dict[str, Any]) -> None:
        """Creates a group."""
        assert SPEC.component_faults("ContainerGroupPrototype", body) == []
        fleet_actions.create_group(self.world, body, self._quota)

    def patch_group(self, name: str, body: dict[str, Any]) -> None:
        """Changes a group."""
        assert SPEC.component_faults("ContainerGroupPatch", body) == []
        fleet_actions.update_group(self.world, name, body, self._quota)

    def answers(self) -> list[dict[str, Any]]:
        """Returns every group as Salad shows it."""
        return [wire.group_json(one, [], OWNER) for one in self.world.groups.values()]

    def stop_group(self, name: str) -> None:
        """Stops a group."""
        fleet_actions.set_started(self.world, name, is_started=False)

    def state(self, queue: str = "jobs", answers: Sequence[Mapping[str, Any]] | None = None) -> LiveState:
        """Returns the state that the command reads; answers: replace the groups as they are."""
        found = self.world.queues.get(queue)
        shown = self.answers() if answers is None else answers
        groups = [live_group(json.loads(json.dumps(answer))) for answer in shown]
        return LiveState(
            queue=None if found is None else live_queue(wire.queue_json(found, 0, [], OWNER)),
            groups={one.name: one for one in groups},
            gpu_classes=GPU_CLASSES,
            quota=self._quota,
            quota_used=sum(one.replicas for one in groups),
        )

    def apply(self, plan: Plan) -> None:
        """Carries out a plan, body by body."""
        if plan.queue_action == "create":
            self.create_queue(bodies.queue_body(plan.fleet.queue))
        elif plan.queue_action == "change":
            patch = bodies.queue_patch(plan.queue_changes)
            assert SPEC.component_faults("QueuePatch", patch) == []
            queue_actions.update_queue(self.world, plan.fleet.queue.name, patch)
        for one in plan.groups:
            if one.action == "create":
                self.create_group(bodies.group_body(one.desired))
            elif one.action == "change":
                self.patch_group(one.desired.name, bodies.group_patch(one.desired, one.changes))
                if any(change.name == "started" for change in one.changes):
                    fleet_actions.set_started(self.world, one.desired.name, is_started=True)


def changed_fields(plan: Plan, name: str) -> dict[str, tuple[Any, Any]]:
    """Returns old and new value of each changed field of a group."""
    return {
        change.name: (change.old, change.new)
        for one in plan.groups
        if one.desired.name == name
        for change in one.changes
    }


def actions(plan: Plan) -> dict[str, str]:
    """Returns what a plan does with each group."""
    return {one.desired.name: one.action for one in plan.groups}


def operation_of(
    method: str, path: str, operations: Iterable[spec.Operation] = SPEC.operations.values()
) -> spec.Operation:
    """Returns the operation of a request in Salad's OpenAPI file; path: below /api/public, without its query."""
    for operation in operations:
        if operation.method == method and _fits(path.split("/"), operation.path.split("/")):
            return operation
    raise AssertionError(f"Salad's file has no {method} {path}")


def _fits(steps: Sequence[str], pattern: Sequence[str]) -> bool:
    return len(steps) == len(pattern) and all(
        wanted.startswith("{") or step == wanted for step, wanted in zip(steps, pattern, strict=True)
    )
