"""The REST operations on queues and queue jobs."""

from typing import Any
from urllib.parse import urlsplit

from infra.local.salad_sim import queue_actions, wire
from infra.local.salad_sim.fleet_actions import instances_of
from infra.local.salad_sim.rest import PREFIX, Answer, Call, Registry
from infra.local.salad_sim.settings import Settings
from infra.local.salad_sim.world import ActionError, Queue, World

DEFAULT_PAGE_SIZE = 25  # Salad's file has a maximum of 100 and no default


def register(registry: Registry, world: World, settings: Settings) -> None:
    """Adds the operations to the registry."""
    owner = (settings.organization, settings.project)

    def shown(queue: Queue) -> dict[str, Any]:
        with world.changed:
            groups = [group for group in world.groups.values() if group.queue_name == queue.name]
            attached = [(group, instances_of(world, group.name)) for group in groups]
            return wire.queue_json(queue, len(world.waiting[queue.name]), attached, owner)

    @registry.operation("list_queues")
    def list_queues(call: Call) -> Answer:
        with world.changed:
            return Answer(body={"items": [shown(queue) for queue in world.queues.values()]})

    @registry.operation("create_queue")
    def create_queue(call: Call) -> Answer:
        queue = queue_actions.create_queue(world, call.body)
        return Answer(body=shown(queue), status=201, headers={"Location": _location(call, queue.name)})

    @registry.operation("get_queue")
    def get_queue(call: Call) -> Answer:
        with world.changed:
            return Answer(body=shown(queue_actions.get_queue(world, call.path["queue_name"])))

    @registry.operation("update_queue")
    def update_queue(call: Call) -> Answer:
        return Answer(body=shown(queue_actions.update_queue(world, call.path["queue_name"], call.body)))

    @registry.operation("delete_queue")
    def delete_queue(call: Call) -> Answer:
        queue_actions.delete_queue(world, call.path["queue_name"])
        return Answer(status=202)

    _register_jobs(registry, world)


def _register_jobs(registry: Registry, world: World) -> None:
    @registry.operation("list_queue_jobs")
    def list_queue_jobs(call: Call) -> Answer:
        page, page_size = call.query.get("page", 1), call.query.get("page_size", DEFAULT_PAGE_SIZE)
        listed = queue_actions.list_jobs(world, call.path["queue_name"], page, page_size)
        return Answer(body={"items": [wire.job_json(job) for job in listed]})

    @registry.operation("create_queue_job")
    def create_queue_job(call: Call) -> Answer:
        _check_webhook(call.body.get("webhook"))
        job = queue_actions.create_job(world, call.path["queue_name"], call.body)
        location = _location(call, f"{job.queue_name}/jobs/{job.id}")
        return Answer(body=wire.job_json(job), status=201, headers={"Location": location})

    @registry.operation("get_queue_job")
    def get_queue_job(call: Call) -> Answer:
        job = queue_actions.get_job(world, call.path["queue_name"], call.path["queue_job_id"])
        return Answer(body=wire.job_json(job))

    @registry.operation("delete_queue_job")
    def delete_queue_job(call: Call) -> Answer:
        queue_actions.cancel_job(world, call.path["queue_name"], call.path["queue_job_id"])
        return Answer(status=202)


def _location(call: Call, rest: str) -> str:
    organization, project = call.path["organization_name"], call.path["project_name"]
    return f"{PREFIX}/organizations/{organization}/projects/{project}/queues/{rest}"


def _check_webhook(webhook: str | None) -> None:
    if webhook is not None and (urlsplit(webhook).scheme not in {"http", "https"} or not urlsplit(webhook).hostname):
        raise ActionError(400, "$.webhook: not a URL")
