"""The ports of Salad, storage and receivers behind a circuit breaker (breaker.py)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from avatar_jobs.domain.errors import NotAskedError, ProviderError
from avatar_jobs.domain.salad import GpuClass, JobPage, QueueJob, QueueView, Quotas
from avatar_jobs.domain.upload_keys import KeyPage, UploadKey
from avatar_jobs.ports.outside import CallbackAnswer, CallbackSender
from avatar_jobs.ports.salad import SaladApi
from avatar_jobs.ports.storage import OutputStore, StoredObject, UploadKeys
from avatar_jobs.services.breaker import Breaker

SALAD, OUTPUTS, KEYS = "Salad", "the bucket", "the storage's key service"  # the systems' names in logs


class GuardedSalad:
    """The SaladApi port behind a breaker. limit_sec: time limit of one call."""

    def __init__(self, salad: SaladApi, breaker: Breaker, limit_sec: float) -> None:
        self._salad = salad
        self._breaker = breaker
        self._limit_sec = limit_sec

    def may_call(self) -> bool:
        """Returns whether Salad may be asked now."""
        return self._breaker.may_call(SALAD, self._limit_sec)

    def create_queue_job(self, job_input: Mapping[str, Any], metadata: Mapping[str, Any], webhook: str) -> str:
        """See SaladApi.create_queue_job."""
        return self._breaker.call(
            SALAD, self._limit_sec, lambda: self._salad.create_queue_job(job_input, metadata, webhook)
        )

    def get_queue_job(self, salad_job_id: str) -> QueueJob | None:
        """See SaladApi.get_queue_job."""
        return self._breaker.call(SALAD, self._limit_sec, lambda: self._salad.get_queue_job(salad_job_id))

    def list_queue_jobs(self, page: int, page_size: int) -> JobPage:
        """See SaladApi.list_queue_jobs."""
        return self._breaker.call(SALAD, self._limit_sec, lambda: self._salad.list_queue_jobs(page, page_size))

    def delete_queue_job(self, salad_job_id: str) -> None:
        """See SaladApi.delete_queue_job."""
        self._breaker.call(SALAD, self._limit_sec, lambda: self._salad.delete_queue_job(salad_job_id))

    def get_queue(self) -> QueueView:
        """See SaladApi.get_queue."""
        return self._breaker.call(SALAD, self._limit_sec, self._salad.get_queue)

    def set_replicas(self, name: str, replicas: int) -> None:
        """See SaladApi.set_replicas."""
        self._breaker.call(SALAD, self._limit_sec, lambda: self._salad.set_replicas(name, replicas))

    def start_container_group(self, name: str) -> None:
        """See SaladApi.start_container_group."""
        self._breaker.call(SALAD, self._limit_sec, lambda: self._salad.start_container_group(name))

    def get_quotas(self) -> Quotas:
        """See SaladApi.get_quotas."""
        return self._breaker.call(SALAD, self._limit_sec, self._salad.get_quotas)

    def list_gpu_classes(self) -> Sequence[GpuClass]:
        """See SaladApi.list_gpu_classes."""
        return self._breaker.call(SALAD, self._limit_sec, self._salad.list_gpu_classes)


class GuardedOutputs:
    """The OutputStore port behind a breaker. limit_sec: time limit of one call."""

    def __init__(self, outputs: OutputStore, breaker: Breaker, limit_sec: float) -> None:
        self._outputs = outputs
        self._breaker = breaker
        self._limit_sec = limit_sec

    def find(self, key: str) -> StoredObject | None:
        """See OutputStore.find."""
        return self._breaker.call(OUTPUTS, self._limit_sec, lambda: self._outputs.find(key))

    def link(self, key: str, now: datetime) -> str:
        """See OutputStore.link; it makes no call."""
        return self._outputs.link(key, now)

    def delete(self, key: str) -> None:
        """See OutputStore.delete."""
        self._breaker.call(OUTPUTS, self._limit_sec, lambda: self._outputs.delete(key))


class GuardedUploadKeys:
    """The UploadKeys port behind a breaker. limit_sec: time limit of one call."""

    def __init__(self, keys: UploadKeys, breaker: Breaker, limit_sec: float) -> None:
        self._keys = keys
        self._breaker = breaker
        self._limit_sec = limit_sec

    def mint(self, job_id: str, attempt: int, expires_at: datetime, now: datetime) -> UploadKey:
        """See UploadKeys.mint."""
        return self._breaker.call(KEYS, self._limit_sec, lambda: self._keys.mint(job_id, attempt, expires_at, now))

    def revoke(self, key_id: str) -> None:
        """See UploadKeys.revoke."""
        self._breaker.call(KEYS, self._limit_sec, lambda: self._keys.revoke(key_id))

    def list_keys(self, start: str | None) -> KeyPage:
        """See UploadKeys.list_keys."""
        return self._breaker.call(KEYS, self._limit_sec, lambda: self._keys.list_keys(start))


class GuardedSender:
    """The CallbackSender port behind a breaker with one line for each receiver's host."""

    def __init__(self, sender: CallbackSender, breaker: Breaker) -> None:
        self._sender = sender
        self._breaker = breaker

    def send(self, url: str, headers: Mapping[str, str], body: bytes, timeout_sec: float) -> CallbackAnswer:
        """See CallbackSender.send. Raises NotAskedError when the host did not answer before, or no time is left."""

        def answered() -> CallbackAnswer:
            answer = self._sender.send(url, headers, body, timeout_sec)
            if answer.http_status is None:
                raise ProviderError("no answer", status=None, retryable=True, may_have_happened=True)
            return answer

        try:
            # A receiver that refuses at once costs no time, so each of its callbacks is tried as its schedule says.
            return self._breaker.call(f"the receiver {host_of(url)}", timeout_sec, answered, quick_faults=None)
        except NotAskedError:
            raise
        except ProviderError:
            return CallbackAnswer(None)


def host_of(url: str) -> str:
    """Returns a URL's host and port, empty when it has none that can be read."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname or ''}:{parts.port or ''}"
    except ValueError:
        return ""
