"""The calls to SaladCloud."""

from collections.abc import Mapping
from typing import Any, Protocol


class SaladApi(Protocol):
    """The calls to SaladCloud that the services make. Each raises ProviderError."""

    def create_queue_job(self, job_input: Mapping[str, Any], metadata: Mapping[str, Any], webhook: str) -> str:
        """Creates one queue job and returns Salad's id of it. Sent once, never repeated."""
        ...

    def get_queue_job(self, salad_job_id: str) -> Mapping[str, Any]:
        """Reads one queue job; ProviderError with status 404 when Salad has none."""
        ...

    def list_queue_jobs(self, page: int, page_size: int) -> Mapping[str, Any]:
        """Reads one page (from 1) of the queue's whole history, in no promised order: {"items": [...]}."""
        ...

    def delete_queue_job(self, salad_job_id: str) -> None:
        """Asks Salad to cancel a job that waits."""
        ...

    def get_queue(self) -> Mapping[str, Any]:
        """Reads the queue's length and its container groups with their instances by state."""
        ...

    def set_replicas(self, name: str, replicas: int) -> Mapping[str, Any]:
        """Sets a container group's replicas; returns the group."""
        ...

    def start_container_group(self, name: str) -> None:
        """Starts a stopped container group."""
        ...

    def get_quotas(self) -> Mapping[str, Any]:
        """Reads the organisation's quotas."""
        ...

    def list_gpu_classes(self) -> Mapping[str, Any]:
        """Reads the GPU classes with their prices, dollars an hour as text by priority: {"items": [...]}."""
        ...
