"""Loads the wire format of Salad's job queue service from job_queue.proto beside this file."""

import sys
from functools import cache
from pathlib import Path
from typing import Any

import grpc

SERVICE = "salad.grpc.saladcloud_job_queue_worker.v1alpha.JobQueueWorkerService"
# Salad's documentation caps a job's output at 10 MB; the queue worker's source sets this size for both directions.
MAX_MESSAGE_BYTES = 10 * 1024 * 1024
_PROTO_DIRECTORY = str(Path(__file__).parent)


@cache  # the protobuf registry takes a file once for a process
def messages() -> Any:
    """Gives the module of message classes (AcceptJobsRequest, Job, CompleteJobRequest, ...).

    Compiled at run time: generated code in the repo would be a second copy of the .proto to keep in step.
    """
    sys.path.append(_PROTO_DIRECTORY)  # grpc looks for .proto files along the import path
    try:
        return grpc.protos("job_queue.proto")
    finally:
        sys.path.remove(_PROTO_DIRECTORY)
