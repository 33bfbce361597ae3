"""The apps of a soak: they submit with an idempotency key until they are answered, cancel, read, send odd things."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.soak.plan import METADATA, JobPlan
from tests.soak.receivers import Receivers

CALL_SEC = 20.0
PAUSE_SEC = 0.5
PATIENCE_SEC = 240.0  # an app that gets no answer for so long gives up, and the soak has found something
# What may be answered from 500 on, by status: the codes of the API, and those of the gateway when a function is gone.
GONE = frozenset({"upstream_unavailable"})
DOCUMENTED = {502: GONE, 503: GONE | {"storage_unavailable"}, 504: GONE}

DEEP = b"[" * 20_000 + b"]" * 20_000
SIGNED_ODDLY = {"webhook-id": "m", "webhook-timestamp": "9" * 400, "webhook-signature": "v1,x"}
ODD_REQUESTS: tuple[tuple[str, str, dict[str, str], bytes | None], ...] = (
    ("POST", "/v1/avatar/jobs", {"Content-Type": "application/json"}, b'{"video_url": ' + DEEP + b"}"),
    ("POST", "/v1/avatar/jobs", {"Content-Type": "application/json"}, b"\xff\xfe{}"),
    ("POST", "/v1/avatar/jobs", {"Content-Type": "application/json"}, b'{"metadata": {"n": ' + b"9" * 5000 + b"}}"),
    ("POST", "/v1/avatar/jobs", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"\x1f\x8b\x08"),
    ("POST", "/v1/avatar/jobs", {"Content-Type": "application/json", "Idempotency-Key": "a b"}, b"{}"),
    ("GET", "/v1/avatar/jobs?created_after=0001-01-01T00:00:00%2B23:59", {}, None),
    ("GET", "/v1/avatar/jobs?created_before=9999-12-31T23:59:59.999999999-23:59", {}, None),
    ("GET", "/v1/avatar/jobs?page_token=%00%ff%f0&page_size=" + "9" * 400, {}, None),
    ("GET", "/v1/avatar/jobs?status=&status=queued&open=true", {}, None),
    ("GET", "/v1/avatar/jobs/%0a", {"X-Request-Id": "x" * 500}, None),
    ("GET", "/v1/avatar/jobs/" + "a" * 4000, {}, None),
    ("HEAD", "/v1/avatar/health", {}, None),
    ("POST", "/v1/webhooks/salad", SIGNED_ODDLY, DEEP),
    ("POST", "/v1/worker/jobs/none/reports", {"Authorization": "Bearer " + "x" * 4000}, DEEP),
    ("DELETE", "/v1/avatar/jobs/none", {}, None),
    ("PATCH", "/v1/avatar/jobs", {}, b"{}"),
)


@dataclass
class SoakJob:
    """One job as its app sees it. answers: statuses of the submission, in order; ended: the first end that was read."""

    plan: JobPlan
    id: str | None = None
    refused: str = ""
    was_cancelled: bool = False
    answers: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    ended: dict[str, Any] | None = None


class Apps:
    """All clients. origin: of the API; keys: API keys by client."""

    def __init__(self, seed: int, ready: Mapping[str, Any], receivers: Receivers) -> None:
        self._seed = seed
        self._ready = ready
        self._receivers = receivers
        self._lock = threading.Lock()
        self.undocumented: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.unreachable = 0

    def run(self, job: SoakJob) -> None:
        """Submits the job, repeats some submissions, and cancels it if that is planned."""
        answer = self._until(lambda: self._submit(job), {202, 400, 401, 413, 415, 422})
        if answer is None:
            job.refused = "no answer"
            return
        if answer.status_code != 202:
            job.refused = answer.text[:300]
            return
        job.id = answer.json()["id"]
        if job.plan.number % 10 == 0:
            again = self._until(lambda: self._submit(job), {202, 422})
            if again is None or again.status_code != 202 or again.json()["id"] != job.id:
                job.faults.append(f"the same submission got another answer: {again.text[:200] if again else None}")
        if job.plan.cancel_after is not None:
            time.sleep(job.plan.cancel_after)
            cancelled = self._until(lambda: self.call(job, "DELETE", f"/v1/avatar/jobs/{job.id}"), {202, 409})
            job.was_cancelled = cancelled is not None and cancelled.status_code == 202

    def read(self, job: SoakJob) -> dict[str, Any] | None:
        """Returns the job, None without a 200."""
        answer = self.call(job, "GET", f"/v1/avatar/jobs/{job.id}")
        if answer is None or answer.status_code != 200:
            return None
        found: dict[str, Any] = answer.json()
        if found["done"]:
            if job.ended is not None and job.ended["status"] != found["status"]:
                job.faults.append(f"its end changed from {job.ended['status']} to {found['status']}")
            job.ended = job.ended or found
        return found

    def send_odd(self, number: int) -> None:
        """Sends one of the odd requests, with a key that is right."""
        method, path, headers, body = ODD_REQUESTS[number % len(ODD_REQUESTS)]
        key = next(iter(self._ready["api_keys"].values()))
        self._send(method, path, {"X-Internal-API-Key": key, **headers}, body)

    def call(self, job: SoakJob, method: str, path: str) -> requests.Response | None:
        """Sends a request of the job's client. Returns the answer, None without one."""
        return self._send(method, path, {"X-Internal-API-Key": self._key(job)}, None)

    def _submit(self, job: SoakJob) -> requests.Response | None:
        plan, media = job.plan, self._ready["media"]
        body: dict[str, Any] = {
            "video_url": f"{media}/face.mp4?orders={','.join(plan.orders)}",
            "audio_url": f"{media}/speech.wav",
            "metadata": METADATA[plan.metadata],
            "start_timeout_seconds": plan.start_sec,
            "run_timeout_seconds": plan.run_sec,
        }
        if plan.manner != "none":
            body["webhook_url"] = self._receivers.url(plan.manner, plan.number)
        headers = {
            "X-Internal-API-Key": self._key(job),
            "Idempotency-Key": f"soak-{self._seed}-{plan.number}",
            "X-Request-Id": f"soak-{plan.number}",
        }
        answer = self._send("POST", "/v1/avatar/jobs", headers, body)
        if answer is not None:
            job.answers.append(answer.status_code)
        return answer

    def _key(self, job: SoakJob) -> str:
        return str(self._ready["api_keys"][job.plan.client])

    def _until(self, send: Callable[[], requests.Response | None], wanted: set[int]) -> requests.Response | None:
        ends_at = time.monotonic() + PATIENCE_SEC
        while time.monotonic() < ends_at:
            answer = send()
            if answer is not None and answer.status_code in wanted:
                return answer
            time.sleep(PAUSE_SEC)
        return None

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> requests.Response | None:
        content = {"data": body} if isinstance(body, bytes) else {"json": body}
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.request(
                    method, self._ready["api"] + path, headers=dict(headers), timeout=CALL_SEC, **content
                )
        except (requests.RequestException, ValueError):
            with self._lock:
                self.unreachable += 1
            return None
        with self._lock:
            self.statuses[answer.status_code] += 1
            if answer.status_code >= 500 and (fault := _undocumented(answer)):
                self.undocumented[f"{method} {path[:60]}: {fault}"] += 1
        return answer


def _undocumented(answer: requests.Response) -> str:
    """Returns what is not as documented about an answer from 500 on, empty when it is."""
    if not answer.content and answer.request.method == "HEAD":
        return ""
    try:
        code = answer.json()["code"]
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} without a code: {answer.text[:100]}"
    if code not in DOCUMENTED.get(answer.status_code, frozenset()):
        return f"{answer.status_code} {code}"
    return "" if answer.headers.get("Retry-After") else f"{answer.status_code} {code} without Retry-After"
