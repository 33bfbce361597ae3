"""Serves the job queue's gRPC service to the queue workers of the instances."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from infra.local import job_queue_protocol
from infra.local.json_logs import log_event
from infra.local.salad_sim import imds, queue_actions
from infra.local.salad_sim.fleet import Instance
from infra.local.salad_sim.jobs import QueueJob
from infra.local.salad_sim.queue_actions import JobNotHereError
from infra.local.salad_sim.settings import Settings
from infra.local.salad_sim.world import World


class JobQueueService:
    """The service's three calls. Each call carries the token of the instance that makes it."""

    def __init__(self, world: World, heartbeat_sec: float) -> None:
        """heartbeat_sec: seconds between two heartbeats on an idle stream."""
        self._world = world
        self._heartbeat_sec = heartbeat_sec
        self._messages = job_queue_protocol.messages()

    def accept_jobs(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Streams jobs to the instance, one at a time. NOT_FOUND when it names a job that is not its own."""
        instance = self._caller(context)
        try:
            stream_id = queue_actions.open_stream(self._world, instance.id, request.current_job_id)
        except JobNotHereError:
            log_event("salad_sim_stream_refused", instance_id=instance.id, current_job_id=request.current_job_id)
            context.abort(grpc.StatusCode.NOT_FOUND, "the job does not run on this instance")
        log_event("salad_sim_stream_opened", instance_id=instance.id, current_job_id=request.current_job_id)
        # false: the call has ended already, so the callback will not run
        if not context.add_callback(lambda: self._close(instance.id, stream_id)):
            self._close(instance.id, stream_id)
        while self._is_open(instance.id, stream_id, context):
            job = self._next_job(instance.id, stream_id, context)
            if job is None:
                yield self._messages.AcceptJobsResponse(heartbeat={})
            else:
                yield self._messages.AcceptJobsResponse(job=self._dispatch(job))
        code = grpc.StatusCode[queue_actions.end_code(self._world, instance.id, stream_id)]
        if code is not grpc.StatusCode.OK:
            context.abort(code, "the stream was ended by the control operation end-stream")

    def complete_job(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Ends a job with the worker's response body."""
        instance = self._caller(context)
        try:
            queue_actions.complete_job(self._world, instance.id, request.job_id, request.output)
        except JobNotHereError:
            context.abort(grpc.StatusCode.NOT_FOUND, "the job does not run on this instance")
        log_event(
            "salad_sim_job_completed", job_id=request.job_id, instance_id=instance.id, size_bytes=len(request.output)
        )
        return self._messages.google_dot_protobuf_dot_empty__pb2.Empty()

    def reject_job(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Counts a failed attempt."""
        instance = self._caller(context)
        try:
            queue_actions.reject_job(self._world, instance.id, request.job_id)
        except JobNotHereError:
            context.abort(grpc.StatusCode.NOT_FOUND, "the job does not run on this instance")
        log_event("salad_sim_job_rejected", job_id=request.job_id, instance_id=instance.id)
        return self._messages.google_dot_protobuf_dot_empty__pb2.Empty()

    def _caller(self, context: grpc.ServicerContext) -> Instance:
        """Returns the instance whose token the call carries. Aborts with UNAUTHENTICATED."""
        headers = dict(context.invocation_metadata())
        token = str(headers.get("authorization", "")).removeprefix("Bearer ")
        now = int(self._world.clock.utc().timestamp())
        subject = imds.token_subject(self._world.token_key, token, now)
        instance = self._world.instances.get(subject or "")
        if instance is None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token belongs to no instance")
            raise AssertionError("abort raises")
        return instance

    def _is_open(self, instance_id: str, stream_id: str, context: grpc.ServicerContext) -> bool:
        return (
            context.is_active()
            and not self._world.is_closing
            and queue_actions.is_current_stream(self._world, instance_id, stream_id)
        )

    def _next_job(self, instance_id: str, stream_id: str, context: grpc.ServicerContext) -> QueueJob | None:
        """Waits for a job. Returns None when a heartbeat is due or the stream has ended."""
        until = self._world.clock.monotonic() + self._heartbeat_sec
        with self._world.changed:
            while self._is_open(instance_id, stream_id, context):
                job = queue_actions.take_job(self._world, instance_id)
                left_sec = until - self._world.clock.monotonic()
                if job is not None or left_sec <= 0:
                    return job
                # at most REST_SEC, because nothing notifies the end of a pause after a rejection
                self._world.changed.wait(min(left_sec, queue_actions.REST_SEC))
        return None

    def _dispatch(self, job: QueueJob) -> Any:
        """Returns the message that hands a job to the queue worker.

        Its port is the instance's own and not the queue connection's: here the instances share one machine.
        """
        instance = self._world.instances[job.instance_id or ""]
        group = self._world.groups[instance.group_name]
        log_event("salad_sim_job_dispatched", job_id=job.id, instance_id=instance.id, attempt=job.attempts)
        return self._messages.Job(
            job_id=job.id,
            port=instance.port or 0,
            path=group.body["queue_connection"]["path"],
            input=json.dumps(job.input).encode(),
        )

    def _close(self, instance_id: str, stream_id: str) -> None:
        queue_actions.close_stream(self._world, instance_id, stream_id)
        log_event("salad_sim_stream_closed", instance_id=instance_id)


def serve(world: World, settings: Settings) -> tuple[Any, int]:
    """Starts the server on loopback. Returns the server and its port."""
    service = JobQueueService(world, settings.heartbeat_sec)
    messages = job_queue_protocol.messages()
    empty = messages.google_dot_protobuf_dot_empty__pb2.Empty
    handlers = {
        "AcceptJobs": grpc.unary_stream_rpc_method_handler(
            service.accept_jobs, messages.AcceptJobsRequest.FromString, messages.AcceptJobsResponse.SerializeToString
        ),
        "CompleteJob": grpc.unary_unary_rpc_method_handler(
            service.complete_job, messages.CompleteJobRequest.FromString, empty.SerializeToString
        ),
        "RejectJob": grpc.unary_unary_rpc_method_handler(
            service.reject_job, messages.RejectJobRequest.FromString, empty.SerializeToString
        ),
    }
    # each instance needs a thread for its stream, and a second one while a new stream replaces it
    workers = ThreadPoolExecutor(max_workers=2 * settings.nodes + 16, thread_name_prefix="grpc")
    size = job_queue_protocol.MAX_MESSAGE_BYTES
    options = [
        ("grpc.max_receive_message_length", size),
        ("grpc.max_send_message_length", size),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(workers, options=options)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(job_queue_protocol.SERVICE, handlers)])
    port = server.add_insecure_port(f"127.0.0.1:{settings.grpc_port}")
    server.start()
    return server, port
