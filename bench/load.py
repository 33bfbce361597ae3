"""Sends many POSTs to one server from a fixed number of threads, each on its own connection, and times each one."""

import http.client
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

CALL_SEC = 20.0  # a submission is answered within 8 s whatever Salad does
MAX_ANSWER_BYTES = 1 << 20  # an answer is one job of about 2 kB


class LoadError(Exception):
    """A server did not answer as required, so there is nothing to measure."""


@dataclass(frozen=True)
class Sent:
    """One request. headers: without Host and Content-Length."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answered:
    """One answer. seconds: from the first byte sent to the last byte read."""

    status: int
    body: bytes
    seconds: float


@dataclass(frozen=True)
class Load:
    """The result of a load. answers: in the order of the requests; seconds: from first request to last answer."""

    answers: Sequence[Answered]
    seconds: float

    @property
    def latencies_ms(self) -> list[float]:
        """The milliseconds of each request."""
        return [answer.seconds * 1000 for answer in self.answers]

    @property
    def requests_per_sec(self) -> float:
        """The answers per second over the whole load."""
        return len(self.answers) / self.seconds


def post_all(url: str, requests: Sequence[Sent], *, clients: int) -> Load:
    """Posts all requests from `clients` threads that start together. Raises LoadError when a request gets no answer."""
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise LoadError(f"{url} has no host and port")
    host, port, path = parts.hostname, parts.port, parts.path
    answers: dict[int, Answered] = {}
    together = threading.Barrier(clients)

    def client(number: int) -> tuple[float, float]:
        connection = http.client.HTTPConnection(host, port, timeout=CALL_SEC)
        try:
            connection.connect()
            together.wait(CALL_SEC)
            began = time.perf_counter()
            for index in range(number, len(requests), clients):
                answers[index] = _post(connection, path, requests[index])
            return began, time.perf_counter()
        finally:
            connection.close()

    with ThreadPoolExecutor(clients) as pool:
        try:
            times = list(pool.map(client, range(clients)))
        except (OSError, http.client.HTTPException, threading.BrokenBarrierError) as error:
            raise LoadError(f"{url} gave no answer: {error!r}") from error
    seconds = max(end for _, end in times) - min(began for began, _ in times)
    return Load([answers[index] for index in range(len(requests))], seconds)


def require(load: Load, status: int, what: str) -> None:
    """Raises LoadError unless every answer has this status."""
    wrong = [answer for answer in load.answers if answer.status != status]
    if wrong:
        raise LoadError(
            f"{what}: {len(wrong)} of {len(load.answers)} answers are not {status}; "
            f"the first is {wrong[0].status} {wrong[0].body[:500]!r}"
        )


def wait_until(condition: Callable[[], bool], limit_sec: float, poll_sec: float = 0.1) -> bool:
    """Polls until the condition is true or limit_sec is over. Returns whether it was true."""
    deadline = time.monotonic() + limit_sec
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(poll_sec)
    return True


def _post(connection: http.client.HTTPConnection, path: str, sent: Sent) -> Answered:
    began = time.perf_counter()
    connection.request("POST", path, body=sent.body, headers=dict(sent.headers))
    response = connection.getresponse()
    body = response.read(MAX_ANSWER_BYTES + 1)
    seconds = time.perf_counter() - began
    if len(body) > MAX_ANSWER_BYTES:
        raise LoadError(f"an answer is longer than {MAX_ANSWER_BYTES} bytes")
    return Answered(response.status, body, seconds)
