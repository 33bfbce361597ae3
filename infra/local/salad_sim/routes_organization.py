"""The REST operations on the organization: GPU classes, quotas, availability, webhook secret."""

import json
from pathlib import Path
from typing import Any

from infra.local.salad_sim import webhook_keys, wire
from infra.local.salad_sim.rest import Answer, Call, Registry
from infra.local.salad_sim.settings import Settings
from infra.local.salad_sim.world import ActionError, World

_GPU_CLASSES = Path(__file__).parent.parent / "salad-gpu-classes.json"  # a recorded answer of Salad


def register(registry: Registry, world: World, settings: Settings) -> None:
    """Adds the operations to the registry."""
    gpu_classes: dict[str, Any] = json.loads(_GPU_CLASSES.read_text())
    known = {one["id"] for one in gpu_classes["items"]}
    started_at = wire.timestamp(world.clock.utc())

    @registry.operation("list_gpu_classes")
    def list_gpu_classes(call: Call) -> Answer:
        return Answer(body=gpu_classes)

    @registry.operation("get_quotas")
    def get_quotas(call: Call) -> Answer:
        with world.changed:
            used = sum(int(group.body["replicas"]) for group in world.groups.values())
        quotas = {"container_replicas_quota": settings.replicas_quota, "container_replicas_used": used}
        return Answer(body={"container_groups_quotas": quotas, "create_time": started_at, "update_time": started_at})

    @registry.operation("get_gpu_availability")
    def get_gpu_availability(call: Call) -> Answer:
        unknown = [one for one in call.body["gpu_classes"] if one not in known]
        if unknown:
            raise ActionError(404, f"there is no GPU class {unknown[0]}")
        with world.changed:
            free = max(0, settings.nodes - len(world.instances))
        # one pool of nodes for all classes and priorities: the simulator has no market
        names = ("available_gpu_high", "available_gpu_medium", "available_gpu_low", "available_gpu_batch")
        return Answer(body={**dict.fromkeys(names, free), "on_call_gpu": 0})

    @registry.operation("get_webhook_secret_key")
    def get_webhook_secret_key(call: Call) -> Answer:
        return Answer(body={"secret_key": webhook_keys.current(world)})

    @registry.operation("update_webhook_secret_key")
    def update_webhook_secret_key(call: Call) -> Answer:
        return Answer(body={"secret_key": webhook_keys.rotate(world, settings.webhook_rotation_sec)})
