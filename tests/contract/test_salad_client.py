"""SaladClient against scripted answers: what each failure means, and that one call is one request."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from avatar_jobs.adapters.salad_client import SaladClient
from avatar_jobs.domain.errors import ProviderError
from tests.support.scripted_server import Answer, ScriptedServer, scripted_server
from tests.support.waiting import within

API_KEY = "the-very-secret-key"
HTML = {"Content-Type": "text/html"}


@pytest.fixture
def salad() -> Iterator[ScriptedServer]:
    """A scripted server in Salad's place."""
    with scripted_server() as server:
        yield server


@pytest.fixture
def client(salad: ScriptedServer) -> Iterator[SaladClient]:
    """A client with short time limits."""
    made = SaladClient(
        base_url=f"{salad.url}/api/public",
        api_key=API_KEY,
        organization="acme",
        project="avatars",
        queue="jobs",
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        timeout_sec=0.5,
    )
    yield made
    made.close()


def create(client: SaladClient) -> str:
    """The one call that must never be repeated."""
    return client.create_queue_job({"a": 1}, {"job_id": "j"}, "https://example.com/hook")


@pytest.mark.parametrize(
    ("answer", "status", "retryable", "may_have_happened", "retry_after"),
    [
        (Answer(429, b"", {"Retry-After": "7"}), 429, True, False, 7.0),
        (Answer(429, b""), 429, True, False, None),
        (Answer(400, b'{"detail": "no"}'), 400, False, False, None),
        (Answer(401, b"{}"), 401, True, False, None),
        (Answer(403, b"<html>", HTML), 403, True, False, None),
        (Answer(404, b"{}"), 404, False, False, None),
        (Answer(500, b"oops"), 500, True, True, None),
        (Answer(503, b"<html>", {**HTML, "Retry-After": "Thu, 01 Jan 2026 00:00:09 GMT"}), 503, True, True, 9.0),
        (Answer(200, b"{}"), 200, False, True, None),
        (Answer(301, b"", {"Location": "https://elsewhere.example/"}), 301, False, True, None),
        (Answer(201, b"<html>hello</html>", HTML), 201, True, True, None),
        (Answer(201, b'{"no": "id"}'), 201, False, True, None),
        (Answer(cut=True), None, True, True, None),
        (Answer(201, b'{"id": "x"}', delay_sec=2), None, True, True, None),
        (Answer(201, b'{"id": "' + b"x" * 40 + b'"}', trickle_sec=0.1), None, True, True, None),
    ],
)
def test_each_failure_says_whether_it_may_have_happened_and_whether_trying_again_helps(
    client: SaladClient,
    salad: ScriptedServer,
    answer: Answer,
    status: int | None,
    retryable: bool,
    may_have_happened: bool,
    retry_after: float | None,
) -> None:
    salad.default = answer

    with within(2), pytest.raises(ProviderError) as caught:
        create(client)

    error = caught.value
    assert (error.status, error.retryable, error.may_have_happened) == (status, retryable, may_have_happened)
    assert error.retry_after_sec == retry_after
    assert API_KEY not in str(error)
    assert "Salad" in str(error)
    assert len(salad.received) == 1, "sent once, never repeated by the client"


def test_a_refused_connection_certainly_did_nothing() -> None:
    client = SaladClient(
        base_url="http://127.0.0.1:9", api_key="k", organization="o", project="p", queue="q",
        now=lambda: datetime.now(UTC),
    )  # fmt: skip
    with pytest.raises(ProviderError) as caught:
        create(client)
    client.close()
    assert (caught.value.may_have_happened, caught.value.retryable) == (False, True)


def test_a_job_is_sent_although_salad_closed_an_idle_connection(client: SaladClient, salad: ScriptedServer) -> None:
    salad.default = Answer(201, b'{"id": "s-1"}')
    assert [create(client), create(client)] == ["s-1", "s-1"]
    assert salad.received[0].headers["salad-api-key"] == API_KEY


def test_names_are_quoted_and_patch_is_a_merge_patch(client: SaladClient, salad: ScriptedServer) -> None:
    client.set_replicas("gpu/../x", 3)
    (call,) = salad.received
    assert call.path == "/api/public/organizations/acme/projects/avatars/containers/gpu%2F..%2Fx"
    assert (call.method, call.headers["content-type"]) == ("PATCH", "application/merge-patch+json")
    assert call.body == b'{"replicas": 3}'


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.get_queue(),
        lambda c: c.get_queue_job("j"),
        lambda c: c.list_queue_jobs(1, 100),
        lambda c: c.set_replicas("g", 1),
        lambda c: c.list_gpu_classes(),
        lambda c: c.get_quotas(),
    ],
    ids=range(6),
)
def test_an_html_page_with_status_200_is_a_retryable_error(
    client: SaladClient, salad: ScriptedServer, call: Callable[[SaladClient], Any]
) -> None:
    salad.default = Answer(200, b"<html>maintenance</html>", HTML)
    with pytest.raises(ProviderError, match="an HTML page") as caught:
        call(client)
    assert caught.value.retryable


def test_an_answer_without_end_is_cut_off(client: SaladClient, salad: ScriptedServer) -> None:
    salad.default = Answer(200, b'{"a": "' + b"x" * 35_000_000 + b'"}')
    with pytest.raises(ProviderError, match="a body over the limits"):
        client.get_queue()
