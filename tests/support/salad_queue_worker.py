"""Speaks the job queue's gRPC service by hand, as an instance's queue worker does."""

from typing import Any

import grpc
import pytest

from infra.local import job_queue_protocol
from tests.support.salad_sim import Simulator

MESSAGES = job_queue_protocol.messages()


class FakeQueueWorker:
    """Calls the service with an instance's token."""

    def __init__(self, endpoint: str, token: str) -> None:
        options = [("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(endpoint, options)
        self._metadata = [("authorization", f"Bearer {token}")]
        self._streams: list[Any] = []  # a stream that nobody holds is cancelled

    def accept(self, current_job_id: str = "") -> Any:
        call = self.channel.unary_stream(
            f"/{job_queue_protocol.SERVICE}/AcceptJobs",
            MESSAGES.AcceptJobsRequest.SerializeToString,
            MESSAGES.AcceptJobsResponse.FromString,
        )
        request = MESSAGES.AcceptJobsRequest(current_job_id=current_job_id)
        self._streams.append(call(request, metadata=self._metadata, timeout=30))
        return self._streams[-1]

    def tell(self, what: str, **fields: Any) -> None:
        request = getattr(MESSAGES, f"{what}Request")
        path = f"/{job_queue_protocol.SERVICE}/{what}"
        call = self.channel.unary_unary(path, request.SerializeToString, lambda data: data)
        call(request(**fields), metadata=self._metadata, timeout=30)


def next_job(stream: Any) -> Any:
    """The next job of a stream, past the heartbeats."""
    return next(message.job for message in stream if message.WhichOneof("message") == "job")


def refusal(call: Any) -> grpc.StatusCode:
    """The code with which a call or a stream ends."""
    with pytest.raises(grpc.RpcError) as raised:
        for _ in call() or ():
            pass
    code: grpc.StatusCode = raised.value.code()
    return code


def attempts(simulator: Simulator, job_id: str) -> int:
    return next(int(job["attempts"]) for job in simulator.state()["jobs"] if job["id"] == job_id)
