"""SaladCloud's REST API over requests: the calls we use, time-outs, and errors that say whether trying again helps.

Facts: Salad's public OpenAPI document and API usage page: header Salad-Api-Key, 240 calls a minute for one key, errors
may be HTML pages also behind a JSON Accept, PATCH takes application/merge-patch+json.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic
from typing import Any
from urllib.parse import quote

import requests

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.http_answers import error_reason, retry_after_sec

CONNECT_SEC = 2.0
DEFAULT_TIMEOUT_SEC = 10.0
MAX_BODY_BYTES = 34_000_000  # a job's output is at most 10 MB, three times that when JSON escapes it
READ_BYTES = 65_536
MERGE_PATCH = "application/merge-patch+json"
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
        self._now = now
        self._timeout_sec = timeout_sec
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc of the machine may see the key
        self._session.headers.update({"Salad-Api-Key": api_key, "Accept": "application/json"})

    def close(self) -> None:
        """Closes the kept connections."""
        self._session.close()

    def create_queue_job(self, job_input: Mapping[str, Any], metadata: Mapping[str, Any], webhook: str) -> str:
        """Creates one queue job and returns Salad's id of it; sent once, because Salad knows no idempotency key."""
        body = {"input": job_input, "metadata": metadata, "webhook": webhook}
        answer = self._call("POST", f"{self._queue}/jobs", 201, body)
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise ProviderError(
                "Salad answered 201 without a job id", status=201, retryable=False, may_have_happened=True
            )
        return str(answer["id"])

    def get_queue_job(self, salad_job_id: str) -> dict[str, Any]:
        """Reads one queue job."""
        return self._object("GET", f"{self._queue}/jobs/{quote(salad_job_id, safe='')}", 200)

    def list_queue_jobs(self, page: int, page_size: int) -> dict[str, Any]:
        """Reads one page of the queue's whole history; no filter, no promised order."""
        return self._object("GET", f"{self._queue}/jobs?page={page}&page_size={page_size}", 200)

    def delete_queue_job(self, salad_job_id: str) -> None:
        """Asks Salad to cancel a job; a dispatched one cannot be cancelled any more, whatever Salad answers."""
        self._call("DELETE", f"{self._queue}/jobs/{quote(salad_job_id, safe='')}", 202)

    def get_queue(self) -> dict[str, Any]:
        """Reads the queue: its length, and every attached container group with its instances by state."""
        return self._object("GET", self._queue, 200)

    def get_container_group(self, name: str) -> dict[str, Any]:
        """Reads one container group."""
        return self._object("GET", self._group(name), 200)

    def list_container_groups(self) -> dict[str, Any]:
        """Reads every container group of the project."""
        return self._object("GET", f"{self._project}/containers", 200)

    def set_replicas(self, name: str, replicas: int) -> dict[str, Any]:
        """Sets a container group's replicas (0 to 500) and returns the group as Salad has it now."""
        return self._object("PATCH", self._group(name), 200, {"replicas": replicas}, MERGE_PATCH)

    def start_container_group(self, name: str) -> None:
        """Starts a stopped container group."""
        self._call("POST", f"{self._group(name)}/start", 202)

    def stop_container_group(self, name: str) -> None:
        """Stops a container group and its instances."""
        self._call("POST", f"{self._group(name)}/stop", 202)

    def list_gpu_classes(self) -> dict[str, Any]:
        """Reads the GPU classes with their prices, strings in dollars an hour by priority."""
        return self._object("GET", f"{self._organization}/gpu-classes", 200)

    def get_gpu_availability(self, gpu_class_ids: list[str]) -> dict[str, Any]:
        """Reads how many nodes of the classes are free now."""
        return self._object("POST", f"{self._organization}/{GPU_AVAILABILITY}", 200, {"gpu_classes": gpu_class_ids})

    def get_quotas(self) -> dict[str, Any]:
        """Reads the organisation's quotas."""
        return self._object("GET", f"{self._organization}/quotas", 200)

    def get_webhook_secret_key(self) -> str:
        """Reads the key that signs Salad's webhooks, as whsec_<base64>."""
        answer = self._object("GET", f"{self._organization}/webhook-secret-key", 200)
        return "whsec_" + str(answer.get("secret_key", "")).removeprefix("whsec_")

    def _group(self, name: str) -> str:
        return f"{self._project}/containers/{quote(name, safe='')}"

    def _object(
        self,
        method: str,
        url: str,
        expected: int,
        body: Mapping[str, Any] | None = None,
        content_type: str | None = None,
    ) -> dict[str, Any]:
        answer = self._call(method, url, expected, body, content_type)
        if not isinstance(answer, dict):
            raise ProviderError(
                f"Salad answered {method} with something else than a JSON object",
                status=expected,
                retryable=True,
                may_have_happened=True,
            )
        return answer

    def _call(
        self,
        method: str,
        url: str,
        expected: int,
        body: Mapping[str, Any] | None = None,
        content_type: str | None = None,
    ) -> Any:
        """Sends one request and returns the parsed body of the expected status (None when it is empty)."""
        timeouts = (min(CONNECT_SEC, self._timeout_sec), self._timeout_sec)
        headers = {"Content-Type": content_type} if content_type else None
        try:
            response = self._session.request(
                method, url, json=body, headers=headers, timeout=timeouts, allow_redirects=False, stream=True
            )
            with response:
                content = self._content(response, monotonic() + self._timeout_sec)
        except requests.exceptions.ConnectTimeout as error:
            raise _failed(method, "did not accept a connection", may_have_happened=False) from error
        except requests.exceptions.ConnectionError as error:
            raise _failed(method, "refused or cut the connection", may_have_happened=not _refused(error)) from error
        except (requests.exceptions.RequestException, OSError) as error:
            raise _failed(method, "gave no answer in time", may_have_happened=True) from error
        return self._read(method, expected, response, content)

    def _content(self, response: requests.Response, deadline: float) -> bytes:
        """Reads a body of at most MAX_BODY_BYTES. Raises TimeoutError past the deadline, also when it trickles in."""
        content = bytearray()
        while chunk := response.raw.read1(READ_BYTES, decode_content=True):
            content += chunk
            if len(content) > MAX_BODY_BYTES or monotonic() > deadline:
                raise TimeoutError("the body is too long or too slow")
        return bytes(content)

    def _read(self, method: str, expected: int, response: requests.Response, content: bytes) -> Any:
        status = response.status_code
        content_type = response.headers.get("Content-Type", "")
        if status != expected:
            raise ProviderError(
                f"Salad answered {method} with {status}: {error_reason(content, content_type)}",
                status=status,
                retryable=status in (401, 403, 408, 429) or status >= 500,
                may_have_happened=not 400 <= status < 500 or status == 408,
                retry_after_sec=retry_after_sec(response.headers.get("Retry-After"), self._now()),
            )
        if not content:
            return None
        try:
            return json.loads(content)
        except ValueError as error:
            raise ProviderError(
                f"Salad answered {method} with {status} and {error_reason(content, content_type)}",
                status=status,
                retryable=True,
                may_have_happened=True,
            ) from error


def _failed(method: str, what: str, *, may_have_happened: bool) -> ProviderError:
    return ProviderError(f"Salad {what} ({method})", status=None, retryable=True, may_have_happened=may_have_happened)


def _refused(error: BaseException) -> bool:
    """True when the connection was never made, so that nothing can have been sent."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ConnectionRefusedError):
            return True
        reasons = [part for part in (*seen.args, getattr(seen, "reason", None)) if isinstance(part, BaseException)]
        seen = seen.__cause__ or (reasons[0] if reasons else None)
    return False
