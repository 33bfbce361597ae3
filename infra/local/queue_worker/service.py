"""A client of the job queue's gRPC service."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc

from infra.local import job_queue_protocol

CALL_TIMEOUT_SEC = 30.0  # of CompleteJob and RejectJob, as Salad's program sets it; the stream has no limit
# As in Salad's program, gRPC itself repeats a call after a passing failure, and waits for a server that is not up yet.
SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": job_queue_protocol.SERVICE}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNKNOWN", "INTERNAL", "UNAVAILABLE"],
            },
            "waitForReady": True,
        }
    ]
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job from the queue. input: the request body for the worker."""

    id: str
    port: int
    path: str
    input: bytes


class JobQueue:
    """The service's three calls. Each can raise grpc.RpcError."""

    def __init__(self, endpoint: str, *, use_tls: bool) -> None:
        """endpoint: host:port."""
        size = job_queue_protocol.MAX_MESSAGE_BYTES
        options = [
            ("grpc.max_receive_message_length", size),
            ("grpc.max_send_message_length", size),
            ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
        ]
        self._channel = (
            grpc.secure_channel(endpoint, grpc.ssl_channel_credentials(), options)
            if use_tls
            else grpc.insecure_channel(endpoint, options)
        )
        self._messages = job_queue_protocol.messages()
        empty = self._messages.google_dot_protobuf_dot_empty__pb2.Empty.FromString
        prefix = f"/{job_queue_protocol.SERVICE}/"
        self._accept = self._channel.unary_stream(
            prefix + "AcceptJobs",
            self._messages.AcceptJobsRequest.SerializeToString,
            self._messages.AcceptJobsResponse.FromString,
        )
        self._complete = self._channel.unary_unary(
            prefix + "CompleteJob", self._messages.CompleteJobRequest.SerializeToString, empty
        )
        self._reject = self._channel.unary_unary(
            prefix + "RejectJob", self._messages.RejectJobRequest.SerializeToString, empty
        )

    def accept(self, token: str, current_job_id: str) -> "JobStream":
        """Opens the stream of jobs. current_job_id: the job in flight, empty for none."""
        request = self._messages.AcceptJobsRequest(current_job_id=current_job_id)
        return JobStream(self._accept(request, metadata=_authorized(token)))

    def complete(self, token: str, job_id: str, output: bytes) -> None:
        """Ends a job with the worker's answer."""
        request = self._messages.CompleteJobRequest(job_id=job_id, output=output)
        self._complete(request, metadata=_authorized(token), timeout=CALL_TIMEOUT_SEC)

    def reject(self, token: str, job_id: str) -> None:
        """Gives a job back to the queue."""
        request = self._messages.RejectJobRequest(job_id=job_id)
        self._reject(request, metadata=_authorized(token), timeout=CALL_TIMEOUT_SEC)


class JobStream:
    """One open stream; iterating yields the jobs and skips the heartbeats."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __iter__(self) -> Iterator[Job]:
        for message in self._call:
            if message.WhichOneof("message") == "job":
                job = message.job
                yield Job(id=job.job_id, port=job.port, path=job.path, input=job.input)

    def cancel(self) -> None:
        """Closes the stream from our side."""
        self._call.cancel()


def _authorized(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]
