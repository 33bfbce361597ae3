"""The calls to SaladCloud that the functions make; each method sends exactly one request."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from avatar_jobs.adapters.salad_client.transport import (
    DEFAULT_TIMEOUT_SEC,
    MERGE_PATCH,
    AnswerOverLimitError,
    SaladTransport,
)
from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.salad import GpuClass, JobPage, QueueJob, QueueView, Quotas
from avatar_jobs.protocol.salad_job import read_job_page, read_queue_job
from avatar_jobs.protocol.salad_queue import read_gpu_classes, read_queue, read_quotas


class SaladClient:
    """The SaladApi port on Salad's REST API, for one queue and the container groups of its project.

    base_url: ends in /api/public; timeout_sec: limit of one call in seconds, by the wall clock; now: the
    current time, to read dates in Retry-After. Every method sends exactly one request and raises
    ProviderError; the API key occurs in no message.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        organization: str,
        project: str,
        queue: str,
        now: Callable[[], datetime],
        timeout_sec: float = DEFAULT_TIMEOUT_SEC,
    ) -> None:
        self._organization = f"{base_url.rstrip('/')}/organizations/{quote(organization, safe='')}"
        self._project = f"{self._organization}/projects/{quote(project, safe='')}"
        self._queue = f"{self._project}/queues/{quote(queue, safe='')}"
        self._http = SaladTransport(api_key=api_key, now=now, timeout_sec=timeout_sec)

    def close(self) -> None:
        """Closes the kept connections."""
        self._http.close()

    def create_queue_job(self, job_input: Mapping[str, Any], metadata: Mapping[str, Any], webhook: str) -> str:
        """Creates one queue job and returns its id at Salad; never repeated, because Salad has no idempotency key."""
        body = {"input": job_input, "metadata": metadata, "webhook": webhook}
        answer = self._http.call("POST", f"{self._queue}/jobs", 201, body)
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise ProviderError(
                "Salad answered 201 without a job id", status=201, retryable=False, may_have_happened=True
            )
        return str(answer["id"])

    def get_queue_job(self, salad_job_id: str) -> QueueJob | None:
        """Reads one queue job. Returns None when the answer is not a queue job.

        Only the output of a finished job can be over the limits; its worker's answer is then taken as unusable.
        """
        try:
            return read_queue_job(self._http.call_object("GET", self._job(salad_job_id), 200))
        except AnswerOverLimitError:
            return QueueJob(salad_job_id, "succeeded", None)

    def list_queue_jobs(self, page: int, page_size: int) -> JobPage:
        """Reads one page of the queue's whole history; Salad offers no filter and promises no order."""
        url = f"{self._queue}/jobs?page={page}&page_size={page_size}"
        return read_job_page(self._http.call_object("GET", url, 200), page_size)

    def delete_queue_job(self, salad_job_id: str) -> None:
        """Asks Salad to cancel a job. Salad does not stop a job that a worker has already got, whatever it answers."""
        self._http.call("DELETE", self._job(salad_job_id), 202)

    def get_queue(self) -> QueueView:
        """Reads the queue: its length, and every attached container group with its instances by state."""
        return read_queue(self._http.call_object("GET", self._queue, 200))

    def set_replicas(self, name: str, replicas: int) -> None:
        """Sets the replicas (0 to 500) of one container group."""
        self._http.call_object("PATCH", self._group(name), 200, {"replicas": replicas}, MERGE_PATCH)

    def start_container_group(self, name: str) -> None:
        """Starts a stopped container group."""
        self._http.call("POST", f"{self._group(name)}/start", 202)

    def list_gpu_classes(self) -> list[GpuClass]:
        """Reads the GPU classes with their prices."""
        return read_gpu_classes(self._http.call_object("GET", f"{self._organization}/gpu-classes", 200))

    def get_quotas(self) -> Quotas:
        """Reads the organisation's quotas."""
        return read_quotas(self._http.call_object("GET", f"{self._organization}/quotas", 200))

    def _job(self, salad_job_id: str) -> str:
        return f"{self._queue}/jobs/{quote(salad_job_id, safe='')}"

    def _group(self, name: str) -> str:
        return f"{self._project}/containers/{quote(name, safe='')}"
