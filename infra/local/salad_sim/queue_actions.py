"""The operations on queues and queue jobs. Each function takes the world's lock itself."""

from dataclasses import replace
from typing import Any

from infra.local.salad_sim import jobs
from infra.local.salad_sim.fleet import InstanceState
from infra.local.salad_sim.jobs import JobStatus, QueueJob
from infra.local.salad_sim.world import ActionError, Queue, Stream, World

# For this long after a rejection the instance gets no job. The end of a worker is noticed within 0.05 s; without the
# pause its queue worker would reject several attempts until then.
REST_SEC = 0.2


class JobNotHereError(Exception):
    """The job does not run on the instance that named it."""


def create_queue(world: World, body: dict[str, Any]) -> Queue:
    """Creates a queue from a validated request. Raises ActionError 400 when the name is taken."""
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
    """Merges display_name and description into the queue; null restores the default."""
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
    """Removes the queue and its jobs. Raises ActionError 400 while a container group is attached."""
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
    """Returns one page of all jobs the queue ever had, ordered by id, which is random: Salad documents no order."""
    with world.changed:
        get_queue(world, queue_name)
        listed = sorted((job for job in world.jobs.values() if job.queue_name == queue_name), key=lambda job: job.id)
    return listed[(page - 1) * page_size : page * page_size]


def cancel_job(world: World, queue_name: str, job_id: str) -> None:
    """Cancels a pending job; any other one is unchanged."""
    with world.changed:
        job = get_job(world, queue_name, job_id)
        if job.status is JobStatus.PENDING:
            world.waiting[queue_name].remove(job_id)
            _store(world, jobs.cancelled(job, world.clock.utc()))


def resume(world: World) -> None:
    """Restores order after a start with jobs of an earlier process: its instances are gone, and so are their attempts.

    Webhooks are the caller's: a job that ends here is not reported to on_finished.
    """
    with world.changed:
        world.waiting.update({name: [] for name in world.queues})
        for job in sorted(world.jobs.values(), key=lambda one: one.created_at):
            after = jobs.attempt_failed(job, world.clock.utc()) if job.status is JobStatus.RUNNING else job
            if after is not job:
                world.jobs[job.id] = after
            if after.status is JobStatus.PENDING:
                world.waiting[job.queue_name].append(job.id)


def open_stream(world: World, instance_id: str, current_job_id: str) -> str:
    """Records a stream that an instance opens. Returns the stream's id; the instance's older stream is superseded.

    current_job_id: the job that the instance runs, empty for none. An instance that had a job and does not name it has
    lost it, which is a failed attempt. Raises JobNotHereError when the named job is no longer the instance's.
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
    """Records the end of a stream, unless a newer stream of the instance has replaced it."""
    with world.changed:
        if is_current_stream(world, instance_id, stream_id):
            world.streams[instance_id] = Stream(id=stream_id, closed_at=world.clock.monotonic())
            world.changed.notify_all()


def is_current_stream(world: World, instance_id: str, stream_id: str) -> bool:
    """Returns whether this is the stream that the instance opened last, and still open."""
    stream = world.streams.get(instance_id)
    return stream is not None and stream.id == stream_id and stream.closed_at is None


def end_stream(world: World, instance_id: str, code: str, *, loses_job: bool) -> str | None:
    """Ends the instance's stream from the service's side, and returns the id of the job it has in flight, if any.

    code: a gRPC status code, "OK" for a normal end; loses_job: the job in flight is taken from the instance as a
    failed attempt, without a message to the worker. Raises ActionError 404, or 409 without an open stream or a job.
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
    """Returns the gRPC status code for the end of a stream; "OK" for one that was superseded."""
    stream = world.streams.get(instance_id)
    return stream.end_code if stream is not None and stream.id == stream_id else "OK"


def take_job(world: World, instance_id: str) -> QueueJob | None:
    """Dispatches the first waiting job to a running instance without a job. Returns it, or None."""
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
    """Ends a job with the worker's response body. Raises JobNotHereError."""
    with world.changed:
        job = _release(world, instance_id, job_id)
        _store(world, jobs.completed(job, output, world.clock.utc()))


def reject_job(world: World, instance_id: str, job_id: str) -> None:
    """Counts a failed attempt that the queue worker reported. Raises JobNotHereError."""
    with world.changed:
        _put_back(world, _release(world, instance_id, job_id))
        world.resting[instance_id] = world.clock.monotonic() + REST_SEC


def fail_attempt(world: World, instance_id: str) -> str | None:
    """Counts a failed attempt of the job that the instance has in flight. Returns its id, None without a job."""
    with world.changed:
        job_id = world.in_flight.get(instance_id)
        if job_id is not None:
            _put_back(world, _release(world, instance_id, job_id))
        return job_id


def fail_abandoned(world: World, grace_sec: float) -> list[str]:
    """Fails the attempt of each ready instance whose stream has been closed for grace_sec seconds. Returns the job ids.

    An instance that is not ready closes its stream itself and still completes its job, so its attempt goes on.
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
        # in front: it is older than the waiting jobs, and Salad's queue is roughly first in, first out
        world.waiting[job.queue_name].insert(0, job.id)
    _store(world, after)


def _store(world: World, job: QueueJob) -> None:
    world.jobs[job.id] = job
    if job.status.is_terminal:
        world.on_finished(job)
    world.changed.notify_all()
