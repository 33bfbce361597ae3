"""Delivers webhooks from background threads: signs them, retries them, and spoils them where a fault was planned."""

import hashlib
import heapq
import itertools
import json
import secrets
import threading
from collections.abc import MutableMapping
from dataclasses import dataclass, replace

import urllib3

from infra.local.faults import WEBHOOK, Fault, FaultBook
from infra.local.json_logs import log_event
from infra.local.salad_sim import webhook_keys, wire
from infra.local.salad_sim.jobs import JobStatus, QueueJob
from infra.local.salad_sim.settings import Settings
from infra.local.salad_sim.world import World

SENDERS = 8  # so that a receiver that hangs does not delay the others
DOUBLE_AFTER_SEC = 0.2  # a repeated delivery is sent after the first one has been answered


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One webhook that is still to be delivered. webhook_id: the same for all tries."""

    job: QueueJob
    webhook_id: str
    tries: int = 0
    is_forged: bool = False
    is_spoilt: bool = False  # its fault has happened, so it gets no other one


class Outbox:
    """Deliveries ordered by the moment they are due."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._order = itertools.count()  # keeps deliveries that are due at the same moment in order
        self._heap: list[tuple[float, int, Delivery]] = []
        self._is_closed = False

    def put(self, delivery: Delivery, due: float) -> None:
        """Adds a delivery; due: monotonic seconds."""
        with self._changed:
            heapq.heappush(self._heap, (due, next(self._order), delivery))
            self._changed.notify()

    def take(self, now: float) -> Delivery | float | None:
        """Returns a delivery that is due at `now`, else the seconds until the next one is due (60 when there is none).

        Returns None once the outbox is closed.
        """
        with self._changed:
            if self._is_closed:
                return None
            if not self._heap:
                return 60.0
            wait_sec = self._heap[0][0] - now
            return heapq.heappop(self._heap)[2] if wait_sec <= 0 else wait_sec

    def wait(self, seconds: float) -> None:
        """Waits until something was added, it was closed, or the time is over."""
        with self._changed:
            if not self._is_closed:
                self._changed.wait(seconds)

    def close(self) -> None:
        """Ends every sender; deliveries that are still waiting are dropped."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


class Senders:
    """The threads that empty the outbox."""

    def __init__(
        self,
        world: World,
        outbox: Outbox,
        faults: FaultBook,
        settings: Settings,
        settled: MutableMapping[str, bool],
    ) -> None:
        """settled: ids of the jobs whose webhook is not sent again, which a later start must know."""
        self._world = world
        self._outbox = outbox
        self._faults = faults
        self._settings = settings
        self._settled = settled
        timeout = urllib3.Timeout(total=settings.webhook_timeout_sec)
        self._http = urllib3.PoolManager(retries=False, timeout=timeout, maxsize=SENDERS)

    def start(self) -> None:
        """Starts the threads; they end with the process or when the outbox closes."""
        for number in range(SENDERS):
            threading.Thread(target=self._run, name=f"webhook-sender-{number}", daemon=True).start()

    def _run(self) -> None:
        while (taken := self._outbox.take(self._now())) is not None:
            if isinstance(taken, Delivery):
                self._deliver(taken)
            else:
                self._outbox.wait(taken)

    def _now(self) -> float:
        return self._world.clock.monotonic()

    def _deliver(self, delivery: Delivery) -> None:
        self._faults.count(WEBHOOK)
        fault = self._faults.take(WEBHOOK) if not delivery.is_spoilt else None
        if fault is None:
            self._try(delivery, send=True)
        else:
            log_event("salad_sim_webhook_fault", job_id=delivery.job.id, fault=fault.fault)
            self._spoil(replace(delivery, is_spoilt=True), fault)

    def _spoil(self, delivery: Delivery, fault: Fault) -> None:
        value = fault.fault[fault.kind]
        if fault.kind in {"late_sec", "delay_sec"}:
            self._outbox.put(delivery, self._now() + value)
        elif fault.kind == "double":
            self._outbox.put(delivery, self._now() + DOUBLE_AFTER_SEC)
            self._try(delivery, send=True)
        elif fault.kind == "forge":
            # first a false message with a wrong signature, then the true one
            self._try(replace(forged(delivery.job), is_spoilt=True), send=True)
            self._outbox.put(delivery, self._now() + DOUBLE_AFTER_SEC)
        elif fault.kind == "cut":
            self._try(delivery, send=value == "after", pretend=0)
        elif fault.kind == "status":
            self._try(delivery, send=False, pretend=value)
        else:  # "lose": nothing is sent, and nothing tries again
            self._settled[delivery.job.id] = True

    def _try(self, delivery: Delivery, *, send: bool, pretend: int | None = None) -> None:
        """Sends once and plans the next try if one is needed. pretend: replaces the status (0: no answer)."""
        status = self._send(delivery) if send else 0
        status = status if pretend is None else pretend
        log_event("salad_sim_webhook", job_id=delivery.job.id, webhook_id=delivery.webhook_id, status=status)
        pauses = self._settings.webhook_retry_sec
        failed = status == 0 or status >= 500
        if delivery.is_forged:
            return
        if not failed or delivery.tries >= len(pauses):
            self._settled[delivery.job.id] = True
        else:
            again = replace(delivery, tries=delivery.tries + 1, is_spoilt=False)
            self._outbox.put(again, self._now() + pauses[delivery.tries])

    def _send(self, delivery: Delivery) -> int:
        """POSTs the signed body. Returns the HTTP status, 0 without an answer."""
        body = json.dumps(wire.webhook_json(delivery.job, delivery.job.updated_at)).encode()
        keys = webhook_keys.in_force(self._world) if not delivery.is_forged else [webhook_keys.drawn().text]
        timestamp = int(self._world.clock.utc().timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery.webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(
                webhook_keys.signature(key, delivery.webhook_id, timestamp, body) for key in keys
            ),
        }
        url = delivery.job.webhook or ""
        try:
            answer = self._http.request("POST", url, body=body, headers=headers, redirect=False, preload_content=False)
        except urllib3.exceptions.HTTPError as error:
            log_event("salad_sim_webhook_undelivered", job_id=delivery.job.id, error=type(error).__name__)
            return 0
        status = answer.status
        answer.close()  # the body is not needed: close the connection instead of reading it
        return status


def delivery_of(job: QueueJob) -> Delivery:
    """Returns the delivery for a finished job's webhook."""
    # of the job, so that a simulator that was killed repeats it under the same id
    return Delivery(job=job, webhook_id=f"msg_{hashlib.sha256(job.id.encode()).hexdigest()[:32]}")


def forged(job: QueueJob) -> Delivery:
    """Returns a delivery with the opposite outcome, which is signed with a random key."""
    opposite = JobStatus.FAILED if job.status is JobStatus.SUCCEEDED else JobStatus.SUCCEEDED
    false = replace(job, status=opposite, output=None)
    return Delivery(job=false, webhook_id=f"msg_{secrets.token_hex(16)}", is_forged=True)
