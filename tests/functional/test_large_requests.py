"""Requests with large bodies: judged by their headers first, refused before they are read, read without waste."""

import io
import json
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from avatar_jobs.http.routes.salad_webhook import WEBHOOK_BODY_LIMIT
from avatar_jobs.http.web import JSON_BODY_LIMIT
from avatar_jobs.protocol.signatures import report_token, signed_headers
from tests.support.fake_salad import SALAD_JOB_ID
from tests.support.functions import API_KEY, TOKEN_SECRET, WEBHOOK_SECRET
from tests.support.salad_side import file_stands, report, result, webhook
from tests.support.scripted_server import Answer
from tests.support.system import System

WEBHOOK = "/v1/webhooks/salad"
REPORTS = f"/v1/worker/jobs/{'j' * 32}/reports"
JOBS = "/v1/avatar/jobs"
MB = 1_000_000
SMALL = 2 * MB  # of memory: what a request costs whose body is not kept


class LongBody(io.RawIOBase):
    """A body that is made while it is read; it costs no memory of its own. kept: the most that is read at a time."""

    def __init__(self, size: int) -> None:
        self.size, self.at = size, 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Moves, as the test client does to learn the size."""
        self.at = offset + (self.size if whence == 2 else 0)
        return self.at

    def tell(self) -> int:
        """Where the reader is."""
        return self.at

    def readinto(self, buffer: Any) -> int:
        """Gives the next bytes."""
        count = min(len(buffer), self.size - self.at)
        buffer[:count] = b"[" * count
        self.at += count
        return count


@contextmanager
def costs_less_than(limit: int) -> Iterator[None]:
    """Fails when the block has more than `limit` bytes of memory at a time."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak / MB:.1f} MB"


def post(system: System, function: str, path: str, body: LongBody, headers: dict[str, str], **also: Any) -> int:
    """Sends a long body; returns the status."""
    client = system.function(function).unchecked
    client.open(path, method="POST").close()  # what is loaded once is no cost of a request
    with costs_less_than(SMALL):
        response = client.open(path, method="POST", input_stream=body, headers=headers, **also)
    status = response.status_code
    response.close()
    return status


def fresh(system: System, **changes: str) -> dict[str, str]:
    """The headers of a webhook that was signed just now, for another body."""
    return signed_headers([WEBHOOK_SECRET], "msg_1", system.clock(), b"") | changes


@pytest.mark.parametrize(
    ("function", "path", "headers", "status"),
    [
        ("submit_job", JOBS, {}, 401),
        ("submit_job", JOBS, {"X-Internal-API-Key": API_KEY, "Content-Type": "application/json"}, 413),
        ("salad_webhook", WEBHOOK, {}, 401),
        ("salad_webhook", WEBHOOK, {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}, 401),
        ("salad_webhook", REPORTS, {}, 401),
        ("salad_webhook", REPORTS, {"Authorization": "Bearer rt1.1.AAAA"}, 401),
        ("salad_webhook", REPORTS, {"Authorization": f"Bearer {report_token(TOKEN_SECRET, 'j' * 32, 1)}"}, 413),
    ],
    ids=["no key", "key", "no signature", "stale signature", "no token", "wrong token", "token"],
)
def test_a_body_of_31_mb_costs_no_memory(
    system: System, function: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert post(system, function, path, LongBody(31 * MB), headers) == status


def test_a_webhook_over_its_limit_is_refused_before_it_is_kept(system: System) -> None:
    assert post(system, "salad_webhook", WEBHOOK, LongBody(WEBHOOK_BODY_LIMIT + 1), fresh(system)) == 413
    unsigned = fresh(system, **{"webhook-signature": ""})
    assert post(system, "salad_webhook", WEBHOOK, LongBody(WEBHOOK_BODY_LIMIT), unsigned) == 401


def test_a_body_in_chunks_is_counted_while_it_is_read(system: System) -> None:
    body = LongBody(JSON_BODY_LIMIT + 1)
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    headers = {"X-Internal-API-Key": API_KEY, "Content-Type": "application/json"}
    assert post(system, "submit_job", JOBS, body, headers, environ_overrides=chunked) == 413


@pytest.mark.parametrize(
    ("filling", "times"),
    [("[]," * (3 * MB), 1.5), ('"' + "x" * (9 * MB) + '",', 3.5)],  # kept once; and as bytes, as text, as a value
    ids=["values", "text"],
)
def test_a_signed_output_of_9_mb_costs_little_more_than_its_size(system: System, filling: str, times: float) -> None:
    job = system.submit().json
    report(system, job)
    body = f'{{"data": {{"id": "{SALAD_JOB_ID}", "status": "succeeded", "output": [{filling}0]}}}}'.encode()
    headers = signed_headers([WEBHOOK_SECRET], "msg_1", system.clock(), body)
    client = system.function("salad_webhook").unchecked
    with costs_less_than(int(times * len(body))):
        response = client.open(WEBHOOK, method="POST", data=body, headers=headers)
    assert response.status_code == 204
    response.close()


def test_an_honest_answer_of_9_mb_is_a_success(system: System) -> None:
    job = system.submit().json
    file_stands(system)
    assert webhook(system, job, result(job, padding="x" * (9 * MB))).status == 204
    assert system.read(job["id"]).json["status"] == "succeeded"


def test_an_output_that_is_too_long_for_a_webhook_costs_its_attempt_a_minute_later(system: System) -> None:
    job = system.submit().json
    report(system, job)
    assert webhook(system, job, "<" * WEBHOOK_BODY_LIMIT).status == 413
    long_answer = {"id": SALAD_JOB_ID, "status": "succeeded", "output": "<" * WEBHOOK_BODY_LIMIT}
    del system.salad.jobs[SALAD_JOB_ID]
    system.salad.looks = Answer(200, json.dumps(long_answer).encode())

    system.move_clock(61)
    system.tick()
    assert system.read(job["id"]).json["attempt"] == 2
