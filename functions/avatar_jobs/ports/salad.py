"""The port of SaladCloud, the GPU cloud: its job queue and its container groups."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from avatar_jobs.domain.salad import GpuClass, JobPage, QueueJob, QueueView, Quotas


class SaladApi(Protocol):
    """The calls to SaladCloud that the services make. Every method sends one request and raises ProviderError."""

    def create_queue_job(self, job_input: Mapping[str, Any], metadata: Mapping[str, Any], webhook: str) -> str:
        """Creates one queue job and returns its id at Salad. The request is never repeated."""
        ...

    def get_queue_job(self, salad_job_id: str) -> QueueJob | None:
        """Reads one queue job. Returns None when the answer is not a queue job.

        Raises ProviderError with status 404 when Salad has no such job.
        """
        ...

    def list_queue_jobs(self, page: int, page_size: int) -> JobPage:
        """Reads one page (from 1) of the queue's whole history; Salad promises no order."""
        ...

    def delete_queue_job(self, salad_job_id: str) -> None:
        """Asks Salad to cancel a job that waits in the queue."""
        ...

    def get_queue(self) -> QueueView:
        """Reads the queue's length and its container groups with their instances by state."""
        ...

    def set_replicas(self, name: str, replicas: int) -> None:
        """Sets the replicas of one container group."""
        ...

    def start_container_group(self, name: str) -> None:
        """Starts a stopped container group."""
        ...

    def get_quotas(self) -> Quotas:
        """Reads the organisation's quotas."""
        ...

    def list_gpu_classes(self) -> Sequence[GpuClass]:
        """Reads the GPU classes with their prices."""
        ...
