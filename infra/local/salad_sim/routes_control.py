"""The control operations under /_sim: faults, reset, state, kill. They need no key."""

import json
from typing import Any

from flask import Flask, Response, request

from infra.local.processes import kill_group
from infra.local.salad_sim import fleet, fleet_actions
from infra.local.salad_sim.faults import Fault, FaultBook, FaultRefusedError
from infra.local.salad_sim.rate_limit import RateLimit
from infra.local.salad_sim.rest import problem
from infra.local.salad_sim.world import ActionError, World


def add_routes(app: Flask, world: World, faults: FaultBook, rate_limit: RateLimit) -> None:
    """Puts the control operations under /_sim."""

    @app.post("/_sim/faults")
    def create_fault() -> Response:
        try:
            fault = faults.add(world.new_id(), json.loads(request.get_data()))
        except FaultRefusedError as error:
            return problem(400, str(error))
        except ValueError as error:
            return problem(400, f"the body is not JSON: {error}")
        return _json(_shown(fault), 201)

    @app.get("/_sim/faults/<fault_id>")
    def get_fault(fault_id: str) -> Response:
        fault = faults.get(fault_id)
        return problem(404, "the fault does not exist") if fault is None else _json(_shown(fault))

    @app.post("/_sim/reset")
    def reset() -> Response:
        faults.reset()
        rate_limit.reset()
        return _json({"reset": True})

    @app.get("/_sim/state")
    def get_state() -> Response:
        return _json(_state(world) | {"calls": faults.calls()})

    @app.post("/_sim/instances/<instance_id>/kill")
    def kill_instance(instance_id: str) -> Response:
        try:
            with world.changed:  # held so that the process cannot be reaped, and its number reused, in between
                pid, job_id = fleet_actions.lose_node(world, instance_id)
                kill_group(pid)
        except ActionError as error:
            return problem(error.status, error.detail)
        return _json({"id": instance_id, "pid": pid, "job_id": job_id})


def _state(world: World) -> dict[str, Any]:
    with world.changed:
        return {
            "jobs": [
                {
                    "id": job.id,
                    "queue": job.queue_name,
                    "status": job.status.value,
                    "instance_id": job.instance_id,
                    "metadata": job.metadata,
                    "attempts": job.attempts,
                }
                for job in world.jobs.values()
            ],
            "instances": [
                {
                    "id": one.id,
                    "group": one.group_name,
                    "state": one.state.value,
                    "job_id": world.in_flight.get(one.id),
                    "pid": one.pid,
                    "port": one.port,
                    "ready": one.ready,
                    "deletion_cost": one.deletion_cost,
                    "version": one.version,
                }
                for one in world.instances.values()
            ],
            "groups": [
                {
                    "name": group.name,
                    "queue": group.queue_name,
                    "replicas": group.body["replicas"],
                    "status": fleet.group_status(group, fleet_actions.instances_of(world, group.name)),
                    "version": group.version,
                }
                for group in world.groups.values()
            ],
        }


def _shown(fault: Fault) -> dict[str, Any]:
    return {
        "id": fault.id,
        "operation": fault.operation,
        "fault": fault.fault,
        "times": fault.times,
        "happened": fault.happened,
    }


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")
