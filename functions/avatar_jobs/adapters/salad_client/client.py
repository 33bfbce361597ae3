"""The calls to SaladCloud that the functions make; each method sends exactly one request."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from avatar_jobs.adapters.salad_client.transport import DEFAULT_TIMEOUT_SEC, MERGE_PATCH, SaladTransport
from avatar_jobs.domain.errors import ProviderError

GPU_AVAILABILITY = "availability/sce-gpu-availability"


class SaladClient:
    """One organisation's and project's view of Salad.

    base_url: ends in /api/public; timeout_sec: of one call, connecting included in it as a part of at most 2 s;
    now: for Retry-After dates. Every method sends exactly one request and raises ProviderError; the API key occurs in
    no message.
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
        """Creates one queue job and returns Salad's id of it; sent once, because Salad knows no idempotency key."""
        body = {"input": job_input, "metadata": metadata, "webhook": webhook}
        answer = self._http.call("POST", f"{self._queue}/jobs", 201, body)
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise ProviderError(
                "Salad answered 201 without a job id", status=201, retryable=False, may_have_happened=True
            )
        return str(answer["id"])

    def get_queue_job(self, salad_job_id: str) -> dict[str, Any]:
        """Reads one queue job."""
        return self._http.call_object("GET", f"{self._queue}/jobs/{quote(salad_job_id, safe='')}", 200)

    def list_queue_jobs(self, page: int, page_size: int) -> dict[str, Any]:
        """Reads one page of the queue's whole history; no filter, no promised order."""
        return self._http.call_object("GET", f"{self._queue}/jobs?page={page}&page_size={page_size}", 200)

    def delete_queue_job(self, salad_job_id: str) -> None:
        """Asks Salad to cancel a job; a dispatched one cannot be cancelled any more, whatever Salad answers."""
        self._http.call("DELETE", f"{self._queue}/jobs/{quote(salad_job_id, safe='')}", 202)

    def get_queue(self) -> dict[str, Any]:
        """Reads the queue: its length, and every attached container group with its instances by state."""
        return self._http.call_object("GET", self._queue, 200)

    def get_container_group(self, name: str) -> dict[str, Any]:
        """Reads one container group."""
        return self._http.call_object("GET", self._group(name), 200)

    def list_container_groups(self) -> dict[str, Any]:
        """Reads every container group of the project."""
        return self._http.call_object("GET", f"{self._project}/containers", 200)

    def set_replicas(self, name: str, replicas: int) -> dict[str, Any]:
        """Sets a container group's replicas (0 to 500) and returns the group as Salad has it now."""
        return self._http.call_object("PATCH", self._group(name), 200, {"replicas": replicas}, MERGE_PATCH)

    def start_container_group(self, name: str) -> None:
        """Starts a stopped container group."""
        self._http.call("POST", f"{self._group(name)}/start", 202)

    def stop_container_group(self, name: str) -> None:
        """Stops a container group and its instances."""
        self._http.call("POST", f"{self._group(name)}/stop", 202)

    def list_gpu_classes(self) -> dict[str, Any]:
        """Reads the GPU classes with their prices, strings in dollars an hour by priority."""
        return self._http.call_object("GET", f"{self._organization}/gpu-classes", 200)

    def get_gpu_availability(self, gpu_class_ids: list[str]) -> dict[str, Any]:
        """Reads how many nodes of the classes are free now."""
        return self._http.call_object(
            "POST", f"{self._organization}/{GPU_AVAILABILITY}", 200, {"gpu_classes": gpu_class_ids}
        )

    def get_quotas(self) -> dict[str, Any]:
        """Reads the organisation's quotas."""
        return self._http.call_object("GET", f"{self._organization}/quotas", 200)

    def get_webhook_secret_key(self) -> str:
        """Reads the key that signs Salad's webhooks, as whsec_<base64>."""
        answer = self._http.call_object("GET", f"{self._organization}/webhook-secret-key", 200)
        return "whsec_" + str(answer.get("secret_key", "")).removeprefix("whsec_")

    def _group(self, name: str) -> str:
        return f"{self._project}/containers/{quote(name, safe='')}"
