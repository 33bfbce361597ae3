"""The operations on container groups and instances. Each function takes the world's lock itself."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from infra.local.salad_sim import fleet
from infra.local.salad_sim.fleet import ContainerGroup, Instance, InstanceState
from infra.local.salad_sim.queue_actions import fail_attempt
from infra.local.salad_sim.world import ActionError, World, merged

# A change of one of these makes a new version of the group, and every instance is replaced.
_PROBES = ("readiness_probe", "liveness_probe", "startup_probe")
_VERSIONED = ("container", "networking", *_PROBES)
# A null in a patch removes these; no other request could.
_REMOVABLE = (*_PROBES, "country_codes", "command")


def create_group(world: World, body: dict[str, Any], quota: int) -> ContainerGroup:
    """Creates a container group from a validated request. Raises ActionError 400."""
    with world.changed:
        if body["name"] in world.groups:
            raise ActionError(400, f"a container group named {body['name']} exists already")
        connection = body.get("queue_connection")
        if connection is not None and connection["queue_name"] not in world.queues:
            raise ActionError(400, f"there is no queue named {connection['queue_name']}")
        _check_quota(world, body, quota)
        now = world.clock.utc()
        group = ContainerGroup(
            id=world.new_id(),
            name=body["name"],
            body=body,
            created_at=now,
            updated_at=now,
            is_started=body["autostart_policy"],
        )
        world.groups[group.name] = group
        world.changed.notify_all()
        return group


def get_group(world: World, name: str) -> ContainerGroup:
    """Finds a container group; raises ActionError 404."""
    group = world.groups.get(name)
    if group is None:
        raise ActionError(404, "the container group does not exist")
    return group


def update_group(world: World, name: str, patch: dict[str, Any], quota: int) -> ContainerGroup:
    """Merges a patch into the group; raises ActionError."""
    with world.changed:
        group = get_group(world, name)
        body = merged(group.body, _without_null(patch, may_vanish=_REMOVABLE))
        _check_quota(world, body, quota)
        is_new_version = any(body.get(field) != group.body.get(field) for field in _VERSIONED)
        world.groups[name] = replace(
            group, body=body, version=group.version + is_new_version, updated_at=world.clock.utc()
        )
        world.changed.notify_all()
        return world.groups[name]


def set_started(world: World, name: str, *, is_started: bool) -> None:
    """Starts or stops a container group; raises ActionError 404."""
    with world.changed:
        group = get_group(world, name)
        world.groups[name] = replace(group, is_started=is_started, updated_at=world.clock.utc())
        world.changed.notify_all()


def delete_group(world: World, name: str) -> None:
    """Removes a container group; its instances stop. Raises ActionError 404."""
    with world.changed:
        get_group(world, name)
        del world.groups[name]
        for instance in instances_of(world, name):
            _stop(world, instance)
        world.changed.notify_all()


def instances_of(world: World, group_name: str) -> list[Instance]:
    """The group's instances, oldest first."""
    return [one for one in world.instances.values() if one.group_name == group_name]


def find_instance(world: World, instance_id: str, group_name: str | None = None) -> Instance:
    """Finds an instance (of the group, if one is named); raises ActionError 404."""
    instance = world.instances.get(instance_id)
    if instance is None or (group_name is not None and instance.group_name != group_name):
        raise ActionError(404, "the container group instance does not exist")
    return instance


def set_deletion_cost(world: World, instance_id: str, cost: int) -> Instance:
    """Stores the instance's deletion cost. Raises ActionError 404."""
    return _change(world, instance_id, deletion_cost=cost)


def set_ready(world: World, instance_id: str, *, ready: bool) -> None:
    """Stores the readiness probe's verdict. An instance that does not run is never ready."""
    with world.changed:
        instance = world.instances.get(instance_id)
        if instance is not None and instance.state is InstanceState.RUNNING:
            _change(world, instance_id, ready=ready)


def reallocate(world: World, instance_id: str) -> None:
    """Stops the instance; the group gets a new one on another node. Raises ActionError 404."""
    with world.changed:
        _stop(world, find_instance(world, instance_id))


def restart(world: World, instance_id: str) -> None:
    """Ends the instance's container and starts it again on its node; raises ActionError 404."""
    with world.changed:
        instance = find_instance(world, instance_id)
        if instance.state is InstanceState.RUNNING:
            world.instances[instance_id] = fleet.stopping(instance, world.clock.utc(), starts_again=True)
            world.changed.notify_all()


def lose_node(world: World, instance_id: str) -> tuple[int, str | None]:
    """Takes an instance's node away and counts a failed attempt of its job. Returns (process group, job id or None).

    Raises ActionError 404, or 409 when no process runs there. The caller must kill the process group while it holds
    the lock.
    """
    with world.changed:
        instance = find_instance(world, instance_id)
        if instance.pid is None:
            raise ActionError(409, "no process runs on the instance")
        _stop(world, instance)
        return instance.pid, fail_attempt(world, instance_id)


def reconcile(world: World, start_delay_sec: float) -> None:
    """Carries out each group's plan: new instances begin to allocate, surplus ones begin to stop."""
    with world.changed:
        now = world.clock.monotonic()
        for group in world.groups.values():
            plan = fleet.plan(group, instances_of(world, group.name))
            for instance_id in plan.stop:
                _stop(world, world.instances[instance_id])
            for _ in range(plan.start):
                instance = Instance(
                    id=world.new_id(),
                    group_name=group.name,
                    machine_id=world.new_id(),
                    version=group.version,
                    state=InstanceState.ALLOCATING,
                    due=now + start_delay_sec / 2,
                    updated_at=world.clock.utc(),
                )
                world.instances[instance.id] = instance


def allocate(world: World, nodes: int, start_delay_sec: float) -> None:
    """Assigns a free node to each instance that is due: it begins to create. nodes: how many there are."""
    with world.changed:
        now = world.clock.monotonic()
        for instance in list(world.instances.values()):
            taken = sum(one.state is not InstanceState.ALLOCATING for one in world.instances.values())
            if instance.state is InstanceState.ALLOCATING and instance.due <= now and taken < nodes:
                _change(world, instance.id, state=InstanceState.CREATING, due=now + start_delay_sec / 2)


def started(world: World, instance_id: str, port: int, pid: int) -> None:
    """Records that the instance's processes run. Without a readiness probe it is ready at once."""
    with world.changed:
        instance = world.instances[instance_id]
        group = world.groups.get(instance.group_name)
        has_probe = group is not None and group.body.get("readiness_probe") is not None
        is_stopping = instance.state is InstanceState.STOPPING
        state = InstanceState.STOPPING if is_stopping else InstanceState.RUNNING
        _change(world, instance_id, state=state, port=port, pid=pid, ready=not has_probe and not is_stopping)


def ended(world: World, instance_id: str, start_delay_sec: float) -> str | None:
    """Records the end of the instance's processes: it restarts or is removed. Returns the id of the job it lost."""
    with world.changed:
        instance = world.instances[instance_id]
        job_id = fail_attempt(world, instance_id)
        world.streams.pop(instance_id, None)
        world.resting.pop(instance_id, None)
        world.told_ready.pop(instance_id, None)
        if instance.state is InstanceState.STOPPING and not instance.starts_again:
            del world.instances[instance_id]
        else:
            world.instances[instance_id] = fleet.restarting(
                instance, start_delay_sec, world.clock.monotonic(), world.clock.utc()
            )
        world.changed.notify_all()
        return job_id


def _stop(world: World, instance: Instance) -> None:
    world.instances[instance.id] = fleet.stopping(instance, world.clock.utc(), starts_again=False)
    world.changed.notify_all()


def _change(world: World, instance_id: str, **fields: Any) -> Instance:
    with world.changed:
        instance = find_instance(world, instance_id)
        world.instances[instance_id] = replace(instance, **fields, updated_at=world.clock.utc())
        world.changed.notify_all()
        return world.instances[instance_id]


def _without_null(patch: dict[str, Any], may_vanish: Sequence[str] = ()) -> dict[str, Any]:
    """Returns the patch without its nulls, except those of fields in may_vanish. Other nulls change nothing."""
    return {
        name: _without_null(value, may_vanish) if isinstance(value, dict) else value
        for name, value in patch.items()
        if value is not None or name in may_vanish
    }


def _check_quota(world: World, body: dict[str, Any], quota: int) -> None:
    others: Sequence[ContainerGroup] = [one for one in world.groups.values() if one.name != body["name"]]
    if sum(int(one.body["replicas"]) for one in others) + int(body["replicas"]) > quota:
        raise ActionError(400, f"the organization's quota of {quota} replicas does not allow that")
