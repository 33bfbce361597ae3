"""Loads the messages of Salad's job queue service from job_queue.proto beside this file."""

import sys
from functools import cache
from pathlib import Path
from typing import Any

import grpc

SERVICE = "salad.grpc.saladcloud_job_queue_worker.v1alpha.JobQueueWorkerService"
# Salad's documentation caps a job's output at 10 MB; the queue worker's source sets this size for both directions.
MAX_MESSAGE_BYTES = 10 * 1024 * 1024
_PROTO_DIRECTORY = str(Path(__file__).parent)


@cache  # the protobuf registry accepts a file only once in a process
def messages() -> Any:
    """Returns the module of message classes (AcceptJobsRequest, Job, CompleteJobRequest, ...).

    Compiled at run time, so that no generated copy of the .proto has to be kept up to date.
    """
    sys.path.append(_PROTO_DIRECTORY)  # grpc looks for .proto files along the import path
    try:
        return grpc.protos("job_queue.proto")
    finally:
        sys.path.remove(_PROTO_DIRECTORY)
