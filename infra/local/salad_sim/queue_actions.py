"""What can be done to queues and their jobs; each function takes the world's lock for as long as it needs."""

from dataclasses import replace
from typing import Any

from infra.local.salad_sim import jobs
from infra.local.salad_sim.fleet import InstanceState
from infra.local.salad_sim.jobs import JobStatus, QueueJob
from infra.local.salad_sim.world import ActionError, Queue, Stream, World

# After a rejection the instance gets no job for so long: a worker that has just died is noticed within 0.05 s, and
# until then its queue worker would reject one attempt after the other.
REST_SEC = 0.2


class JobNotHereError(Exception):
    """The job does not run on the instance that speaks of it."""


def create_queue(world: World, body: dict[str, Any]) -> Queue:
    """Makes a queue from a validated request; raises ActionError 400 when the name is taken."""
    with world.changed:
        if body["name"] in world.queues:
            raise ActionError(400, f"a queue named {body['name']} exists already")
        now = world.clock.utc()
        queue = Queue(
            id=world.new_id(),
            name=body["name"],
            display_name=body.get("display_name", body["name"]),
            description=body.get("description", ""),
            created_at=now,
            updated_at=now,
        )
        world.queues[queue.name] = queue
        world.waiting[queue.name] = []
        return queue


def get_queue(world: World, name: str) -> Queue:
    """Finds a queue; raises ActionError 404."""
    queue = world.queues.get(name)
    if queue is None:
        raise ActionError(404, "the queue does not exist")
    return queue


def update_queue(world: World, name: str, patch: dict[str, Any]) -> Queue:
    """Merges display_name and description into the queue; a null puts the default back."""
    with world.changed:
        queue = get_queue(world, name)
        changed = replace(
            queue,
            display_name=patch.get("display_name", queue.display_name) or queue.name,
            description=patch.get("description", queue.description) or "",
            updated_at=world.clock.utc(),
        )
        world.queues[name] = changed
        return world.queues[name]


def delete_queue(world: World, name: str) -> None:
    """Removes the queue with its history; raises ActionError 400 while a container group is attached."""
    with world.changed:
        get_queue(world, name)
        if any(group.queue_name == name for group in world.groups.values()):
            raise ActionError(400, "a container group is attached to the queue")
        del world.queues[name]
        del world.waiting[name]
        for job_id in [job.id for job in world.jobs.values() if job.queue_name == name]:
            del world.jobs[job_id]


def create_job(world: World, queue_name: str, body: dict[str, Any]) -> QueueJob:
    """Appends a job to the queue."""
    with world.changed:
        get_queue(world, queue_name)
        job = jobs.created(world.new_id(), queue_name, body, world.clock.utc())
        world.jobs[job.id] = job
        world.waiting[queue_name].append(job.id)
        world.changed.notify_all()
        return job


def get_job(world: World, queue_name: str, job_id: str) -> QueueJob:
    """Finds a job of the queue; raises ActionError 404."""
    get_queue(world, queue_name)
    job = world.jobs.get(job_id)
    if job is None or job.queue_name != queue_name:
        raise ActionError(404, "the queue job does not exist")
    return job


def list_jobs(world: World, queue_name: str, page: int, page_size: int) -> list[QueueJob]:
    """One page of all jobs that the queue ever had, ordered by id: Salad promises no order, so there is none."""
    with world.changed:
        get_queue(world, queue_name)
        listed = sorted((job for job in world.jobs.values() if job.queue_name == queue_name), key=lambda job: job.id)
    return listed[(page - 1) * page_size : page * page_size]


def cancel_job(world: World, queue_name: str, job_id: str) -> None:
    """Cancels a job that waits; one that was dispatched or has ended stays as it is."""
    with world.changed:
        job = get_job(world, queue_name, job_id)
        if job.status is JobStatus.PENDING:
            world.waiting[queue_name].remove(job_id)
            _store(world, jobs.cancelled(job, world.clock.utc()))


def open_stream(world: World, instance_id: str, current_job_id: str) -> str:
    """Notes the stream that an instance opens and returns its id; an older one of the instance is superseded.

    Raises JobNotHereError when the job that the instance says it runs is not its own any more. An instance that
    had a job and says nothing of it has forgotten it: that attempt has failed.
    """
    with world.changed:
        in_flight = world.in_flight.get(instance_id, "")
        if current_job_id and current_job_id != in_flight:
            raise JobNotHereError(current_job_id)
        if in_flight and not current_job_id:
            fail_attempt(world, instance_id)
        stream = Stream(id=world.new_id())
        world.streams[instance_id] = stream
        world.changed.notify_all()
        return stream.id


def close_stream(world: World, instance_id: str, stream_id: str) -> None:
    """Notes the end of a stream, unless a newer one of the instance has replaced it."""
    with world.changed:
        if is_current_stream(world, instance_id, stream_id):
            world.streams[instance_id] = Stream(id=stream_id, closed_at=world.clock.monotonic())
            world.changed.notify_all()


def is_current_stream(world: World, instance_id: str, stream_id: str) -> bool:
    """Returns whether this is the stream that the instance opened last, still open."""
    stream = world.streams.get(instance_id)
    return stream is not None and stream.id == stream_id and stream.closed_at is None


def end_stream(world: World, instance_id: str, code: str, *, loses_job: bool) -> str | None:
    """Ends the instance's stream from the service's side, and returns the id of the job it has in flight, if any.

    code: a gRPC status code, "OK" for a plain end; loses_job: the job in flight is taken from the instance, as one
    failed attempt, and the worker is not told. Raises ActionError 404, or 409 without an open stream or such a job.
    """
    with world.changed:
        if instance_id not in world.instances:
            raise ActionError(404, "the container group instance does not exist")
        stream = world.streams.get(instance_id)
        if stream is None or stream.closed_at is not None:
            raise ActionError(409, "the instance has no open stream")
        job_id = world.in_flight.get(instance_id)
        if loses_job and job_id is None:
            raise ActionError(409, "the instance has no job in flight")
        world.streams[instance_id] = replace(stream, closed_at=world.clock.monotonic(), end_code=code)
        if loses_job:
            fail_attempt(world, instance_id)
        world.changed.notify_all()
        return job_id


def end_code(world: World, instance_id: str, stream_id: str) -> str:
    """The gRPC status code with which a stream that has ended is to be ended; "OK" for one that was superseded."""
    stream = world.streams.get(instance_id)
    return stream.end_code if stream is not None and stream.id == stream_id else "OK"


def take_job(world: World, instance_id: str) -> QueueJob | None:
    """Dispatches the job that waits longest to a running instance without one; None if there is none."""
    with world.changed:
        instance = world.instances.get(instance_id)
        if instance is None or instance.state is not InstanceState.RUNNING or instance_id in world.in_flight:
            return None
        if world.resting.get(instance_id, 0.0) > world.clock.monotonic():
            return None
        group = world.groups.get(instance.group_name)
        waiting = world.waiting.get(group.queue_name or "") if group else None
        if not waiting:
            return None
        job = jobs.dispatched(world.jobs[waiting.pop(0)], instance_id, world.clock.utc())
        world.in_flight[instance_id] = job.id
        _store(world, job)
        return job


def complete_job(world: World, instance_id: str, job_id: str, output: bytes) -> None:
    """Ends a job with the worker's response body; raises JobNotHereError."""
    with world.changed:
        job = _release(world, instance_id, job_id)
        _store(world, jobs.completed(job, output, world.clock.utc()))


def reject_job(world: World, instance_id: str, job_id: str) -> None:
    """Counts a failed attempt that the queue worker reported; raises JobNotHereError."""
    with world.changed:
        _put_back(world, _release(world, instance_id, job_id))
        world.resting[instance_id] = world.clock.monotonic() + REST_SEC


def fail_attempt(world: World, instance_id: str) -> str | None:
    """Counts a failed attempt of whatever job the instance has in flight and returns the job's id."""
    with world.changed:
        job_id = world.in_flight.get(instance_id)
        if job_id is not None:
            _put_back(world, _release(world, instance_id, job_id))
        return job_id


def fail_abandoned(world: World, grace_sec: float) -> list[str]:
    """Fails the attempts whose instance is ready but has left its stream closed for grace_sec; returns the job ids.

    An instance that is not ready closes its stream itself and still completes its job, so it is left alone.
    """
    with world.changed:
        now = world.clock.monotonic()
        abandoned = [
            instance_id
            for instance_id in world.in_flight
            if (stream := world.streams.get(instance_id)) is not None
            and stream.closed_at is not None
            and now - stream.closed_at >= grace_sec
            and (instance := world.instances.get(instance_id)) is not None
            and instance.ready
        ]
        return [job_id for one in abandoned if (job_id := fail_attempt(world, one)) is not None]


def _release(world: World, instance_id: str, job_id: str) -> QueueJob:
    if world.in_flight.get(instance_id) != job_id or job_id not in world.jobs:
        raise JobNotHereError(job_id)
    del world.in_flight[instance_id]
    return world.jobs[job_id]


def _put_back(world: World, job: QueueJob) -> None:
    after = jobs.attempt_failed(job, world.clock.utc())
    if after.status is JobStatus.PENDING:
        # in front: it is older than all that wait, and Salad's queue is roughly first in, first out
        world.waiting[job.queue_name].insert(0, job.id)
    _store(world, after)


def _store(world: World, job: QueueJob) -> None:
    world.jobs[job.id] = job
    if job.status.is_terminal:
        world.on_finished(job)
    world.changed.notify_all()
