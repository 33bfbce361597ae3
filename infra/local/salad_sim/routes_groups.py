"""The REST operations on container groups and their instances."""

from typing import Any

from infra.local.salad_sim import fleet_actions, wire
from infra.local.salad_sim.fleet import ContainerGroup
from infra.local.salad_sim.rest import PREFIX, Answer, Call, Registry
from infra.local.salad_sim.settings import Settings
from infra.local.salad_sim.world import ActionError, World

_PROBES = ("readiness_probe", "liveness_probe", "startup_probe")


def register(registry: Registry, world: World, settings: Settings) -> None:
    """Adds the operations to the registry."""
    owner = (settings.organization, settings.project)

    def shown(group: ContainerGroup) -> dict[str, Any]:
        with world.changed:
            return wire.group_json(group, fleet_actions.instances_of(world, group.name), owner)

    @registry.operation("list_container_groups")
    def list_container_groups(call: Call) -> Answer:
        with world.changed:
            return Answer(body={"items": [shown(group) for group in world.groups.values()]})

    @registry.operation("create_container_group")
    def create_container_group(call: Call) -> Answer:
        _check_probes(call.body)
        group = fleet_actions.create_group(world, call.body, settings.replicas_quota)
        location = f"{PREFIX}/organizations/{settings.organization}/projects/{settings.project}/containers/{group.name}"
        return Answer(body=shown(group), status=201, headers={"Location": location})

    @registry.operation("get_container_group")
    def get_container_group(call: Call) -> Answer:
        return Answer(body=shown(fleet_actions.get_group(world, call.path["container_group_name"])))

    @registry.operation("update_container_group")
    def update_container_group(call: Call) -> Answer:
        _check_probes(call.body)
        name = call.path["container_group_name"]
        group = fleet_actions.update_group(world, name, call.body, settings.replicas_quota)
        # in Salad's file the answer has the content type of the request
        return Answer(body=shown(group), content_type="application/merge-patch+json")

    @registry.operation("delete_container_group")
    def delete_container_group(call: Call) -> Answer:
        fleet_actions.delete_group(world, call.path["container_group_name"])
        return Answer(status=202)

    @registry.operation("start_container_group")
    def start_container_group(call: Call) -> Answer:
        fleet_actions.set_started(world, call.path["container_group_name"], is_started=True)
        return Answer(status=202)

    @registry.operation("stop_container_group")
    def stop_container_group(call: Call) -> Answer:
        fleet_actions.set_started(world, call.path["container_group_name"], is_started=False)
        return Answer(status=202)

    _register_instances(registry, world)


def _register_instances(registry: Registry, world: World) -> None:
    def found(call: Call) -> str:
        group = fleet_actions.get_group(world, call.path["container_group_name"])
        return fleet_actions.find_instance(world, call.path["container_group_instance_id"], group.name).id

    @registry.operation("list_container_group_instances")
    def list_container_group_instances(call: Call) -> Answer:
        with world.changed:
            group = fleet_actions.get_group(world, call.path["container_group_name"])
            instances = fleet_actions.instances_of(world, group.name)
            return Answer(body={"instances": [wire.instance_json(one) for one in instances]})

    @registry.operation("get_container_group_instance")
    def get_container_group_instance(call: Call) -> Answer:
        with world.changed:
            instance = fleet_actions.find_instance(world, found(call))
            return Answer(body=wire.instance_json(instance), status=202)  # Salad's file has 202 for this GET

    @registry.operation("update_container_group_instance")
    def update_container_group_instance(call: Call) -> Answer:
        with world.changed:
            cost = call.body.get("deletion_cost")
            instance = fleet_actions.find_instance(world, found(call))
            if cost is not None:
                instance = fleet_actions.set_deletion_cost(world, instance.id, cost)
            return Answer(body=wire.instance_json(instance))

    @registry.operation("reallocate_container_group_instance")
    def reallocate_container_group_instance(call: Call) -> Answer:
        fleet_actions.reallocate(world, found(call))
        return Answer(status=202)

    @registry.operation("recreate_container_group_instance")
    def recreate_container_group_instance(call: Call) -> Answer:
        fleet_actions.restart(world, found(call))
        return Answer(status=202)

    @registry.operation("restart_container_group_instance")
    def restart_container_group_instance(call: Call) -> Answer:
        fleet_actions.restart(world, found(call))
        return Answer(status=202)


def _check_probes(body: dict[str, Any]) -> None:
    """Raises ActionError 400 for a readiness probe that is not HTTP: the simulator cannot carry it out."""
    probes = {name: body[name] for name in _PROBES if body.get(name) is not None}
    for name, probe in probes.items():
        if name == "readiness_probe" and "http" not in probe:
            raise ActionError(400, f"$.{name}: the simulator probes over http only")
