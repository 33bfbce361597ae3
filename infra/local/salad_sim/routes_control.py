"""The control operations under /_sim: faults, reset, state, kill. They need no key."""

import json
from typing import Any

from flask import Flask, Response, request

from infra.local.faults import FaultBook, FaultRefusedError, shown
from infra.local.processes import kill_group
from infra.local.salad_sim import fleet, fleet_actions, queue_actions
from infra.local.salad_sim.rate_limit import RateLimit
from infra.local.salad_sim.rest import problem
from infra.local.salad_sim.world import ActionError, World

# A queue worker treats these differently: a normal end, a refused token, a passing fault, and two final ends.
STREAM_END_CODES = ("OK", "UNAUTHENTICATED", "UNAVAILABLE", "NOT_FOUND", "CANCELLED")


def add_routes(app: Flask, world: World, faults: FaultBook, rate_limit: RateLimit) -> None:
    """Adds the control operations below /_sim."""

    @app.post("/_sim/faults")
    def create_fault() -> Response:
        try:
            fault = faults.add(world.new_id(), json.loads(request.get_data()))
        except FaultRefusedError as error:
            return problem(400, str(error))
        except ValueError as error:
            return problem(400, f"the body is not JSON: {error}")
        return _json(shown(fault), 201)

    @app.get("/_sim/faults/<fault_id>")
    def get_fault(fault_id: str) -> Response:
        fault = faults.get(fault_id)
        return problem(404, "the fault does not exist") if fault is None else _json(shown(fault))

    @app.post("/_sim/reset")
    def reset() -> Response:
        faults.reset()
        rate_limit.reset()
        return _json({"reset": True})

    @app.get("/_sim/state")
    def get_state() -> Response:
        return _json(_state(world) | {"calls": faults.calls()})

    _add_instance_routes(app, world)


def _add_instance_routes(app: Flask, world: World) -> None:
    @app.post("/_sim/instances/<instance_id>/kill")
    def kill_instance(instance_id: str) -> Response:
        try:
            with world.changed:  # held, so that the process id cannot be reused in between
                pid, job_id = fleet_actions.lose_node(world, instance_id)
                kill_group(pid)
        except ActionError as error:
            return problem(error.status, error.detail)
        return _json({"id": instance_id, "pid": pid, "job_id": job_id})

    @app.post("/_sim/instances/<instance_id>/end-stream")
    def end_stream(instance_id: str) -> Response:
        try:
            code, loses_job = _stream_end(json.loads(request.get_data() or b"{}"))
            job_id = queue_actions.end_stream(world, instance_id, code, loses_job=loses_job)
        except ValueError as error:
            return problem(400, str(error))
        except ActionError as error:
            return problem(error.status, error.detail)
        return _json({"id": instance_id, "code": code, "loses_job": loses_job, "job_id": job_id})


def _stream_end(body: Any) -> tuple[str, bool]:
    """Reads {"code", "loses_job"}. Raises ValueError that names what is unknown."""
    if not isinstance(body, dict) or set(body) - {"code", "loses_job"}:
        raise ValueError("the body must be an object of code and loses_job")
    code, loses_job = body.get("code", "OK"), body.get("loses_job", False)
    if code not in STREAM_END_CODES:
        raise ValueError(f"code must be one of {', '.join(STREAM_END_CODES)}, not {code!r}")
    if not isinstance(loses_job, bool):
        raise ValueError("loses_job must be true or false")
    return code, loses_job


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
                    "told_ready": world.told_ready.get(one.id),
                    "has_stream": one.id in world.streams and world.streams[one.id].closed_at is None,
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


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")
