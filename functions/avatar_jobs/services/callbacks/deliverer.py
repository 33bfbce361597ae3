"""Delivers the callback of a finished job. Each try is rendered and signed anew, with the same webhook id."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from avatar_jobs.domain.errors import NotAskedError
from avatar_jobs.domain.job.events import CallbackTried
from avatar_jobs.domain.job.model import Callback, CallbackState, Job
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.domain.retry_policy import callback_delay
from avatar_jobs.ports.jobs import JobStore, StoredJob
from avatar_jobs.ports.outside import CallbackAnswer, CallbackSender, Clock, EventLog
from avatar_jobs.protocol.compact_json import compact_json
from avatar_jobs.protocol.signatures import signed_headers
from avatar_jobs.protocol.times import to_text
from avatar_jobs.services.breaker import what_broke
from avatar_jobs.services.queries.job_view import JobRenderer

FIRST_TRY_SEC = 5.0  # sent by the request that ended the job, and Salad or the worker waits for that request
LATER_TRY_SEC = 15.0  # sent by the tick
UNSIGNABLE = "its client has no callback secret"  # the client was removed from API_CLIENTS
GONE = 410  # the app says that this URL will never accept callbacks again


class CallbackTrier(Protocol):
    """Takes leased callbacks: it tries each at once, or keeps it for the end of the tick."""

    def deliver(self, leased: StoredJob, timeout_sec: float) -> bool:
        """Tries or keeps one callback. Returns True when the app has accepted it."""
        ...


@dataclass(frozen=True, kw_only=True)
class CallbackDeliverer:
    """Delivers callbacks to apps at once.

    jitter: returns 0.0 to 1.0; secrets: the callback secrets by client; each callback carries a signature of each one.
    """

    store: JobStore
    sender: CallbackSender
    renderer: JobRenderer
    clock: Clock
    log: EventLog
    jitter: Callable[[], float]
    secrets: Mapping[str, Sequence[str]] = field(repr=False)

    def deliver(self, leased: StoredJob, timeout_sec: float) -> bool:
        """Sends one callback and stores the outcome. Returns True when the app accepted it.

        leased: a job whose callback lease the caller holds; timeout_sec: time limit for the app's answer. A callback
        that cannot be signed is given up, because nobody could trust it. Whatever else goes wrong in a try is stored as
        a failed try, so that the schedule goes on. Raises StorageUnavailableError when the outcome cannot be stored,
        and NotAskedError when the receiver was not called.
        """
        job = leased.job
        if job.callback is None or job.input.webhook_url is None:
            return False
        secrets = self.secrets.get(job.client, ())
        if not secrets:
            self._give_up(leased, UNSIGNABLE)
            return False
        try:
            answer = self._send(job, job.callback, job.input.webhook_url, secrets, timeout_sec)
        except NotAskedError:
            raise
        except Exception as error:  # noqa: BLE001  a fault in one job's callback must not come back in every tick
            self.log("callback_broke", level="alarm", job_id=job.id, request_id=job.request_id, **what_broke(error))
            answer = CallbackAnswer(http_status=None)
        tried = self._tried(answer, tries=job.callback.attempts + 1)
        self.store.update(job.id, lambda current: transition(current, tried), known=leased)
        self.log(
            "callback_tried",
            job_id=job.id,
            request_id=job.request_id,
            attempt=job.attempt.number,
            delivered=answer.delivered,
            http_status=answer.http_status,
            state=_state(tried),
        )
        return answer.delivered

    def _give_up(self, leased: StoredJob, reason: str) -> None:
        """Ends the callback without a try; an operator can request it again (`./ops jobs redeliver`)."""
        job = leased.job
        ended = CallbackTried(at=self.clock(), delivered=False, http_status=None, next_attempt_at=None, given_up=reason)
        self.store.update(job.id, lambda current: transition(current, ended), known=leased)
        self.log(
            "callback_given_up",
            level="error",
            job_id=job.id,
            request_id=job.request_id,
            client=job.client,
            reason=reason,
        )

    def _send(
        self, job: Job, callback: Callback, url: str, secrets: Sequence[str], timeout_sec: float
    ) -> CallbackAnswer:
        now = self.clock()
        body = compact_json(
            {"type": f"avatar.job.{job.status.value}", "timestamp": to_text(now), **self.renderer.render(job, now)}
        )
        headers = signed_headers(secrets, callback.webhook_id, now, body)
        headers["X-Request-Id"] = job.request_id
        return self.sender.send(url, headers, body, timeout_sec)

    def _tried(self, answer: CallbackAnswer, tries: int) -> CallbackTried:
        now = self.clock()
        wait = None
        if not answer.delivered and answer.http_status != GONE:
            wait = callback_delay(tries, answer.retry_after_sec, self.jitter())
        return CallbackTried(
            at=now,
            delivered=answer.delivered,
            http_status=answer.http_status,
            next_attempt_at=now + wait if wait else None,
        )


def _state(tried: CallbackTried) -> str:
    """Returns the callback's state after the try, as the job shows it."""
    if tried.delivered:
        return CallbackState.DELIVERED.value
    return (CallbackState.RETRYING if tried.next_attempt_at else CallbackState.FAILED).value
