"""Two releases side by side on one store, as in every deploy: each reads and goes on with what the other wrote."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from tests.support.functions import API_KEY
from tests.support.release_before import FunctionOfRelease, unpacked_release
from tests.support.salad_side import file_stands, report, result, webhook
from tests.support.scripted_server import Answer
from tests.support.system import System

FUNCTIONS = ("submit_job", "job_status", "salad_webhook", "scale_tick")
KEY = {"X-Internal-API-Key": API_KEY}


@pytest.fixture(scope="session")
def release_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The functions of the release before."""
    return unpacked_release(tmp_path_factory.mktemp("release-before"))


@pytest.fixture
def before(system: System, release_before: Path) -> System:
    """The same system, store and peers included, with the functions of the release before."""
    loaded: dict[str, Any] = {
        name: FunctionOfRelease(name, release_before, system.environment, lambda: system.clock.offset)
        for name in FUNCTIONS
    }
    return replace(system, loaded=loaded)


@pytest.fixture(params=["the old one first", "the new one first"])
def either(request: pytest.FixtureRequest, system: System, before: System) -> Iterator[System]:
    """Whose turn it is: the two releases take turns, and each begins once."""
    return cycle((before, system) if request.param == "the old one first" else (system, before))


def listed(system: System) -> list[str]:
    """The ids of the newest jobs."""
    reply = system.function("submit_job").call("GET", "/v1/avatar/jobs", headers=KEY)
    assert reply.status == 200, reply.body
    return [job["id"] for job in reply.json["jobs"]]


def test_a_job_goes_through_its_life_with_each_step_in_the_other_release(either: Iterator[System]) -> None:
    first = next(either)
    body = first.body(webhook_url=f"{first.app.url}/done", metadata={"order": 7})
    made = first.submit(body, headers={"Idempotency-Key": "order-7"})
    assert made.status == 202
    job = made.json

    again = next(either).submit(body, headers={"Idempotency-Key": "order-7"})
    assert (again.status, again.json["id"], again.headers["Idempotency-Replayed"]) == (202, job["id"], "true")
    other = next(either).submit({**body, "resolution": "480p"}, headers={"Idempotency-Key": "order-7"})
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    assert report(next(either), job).status == 200
    assert next(either).read(job["id"]).json["status"] == "running"
    assert report(next(either), job, seq=5, phase="generating", progress=0.5).status == 200
    assert next(either).read(job["id"]).json["phase"] == "generating"
    assert listed(next(either)) == listed(next(either)) == [job["id"]]
    first.app.answers.append(Answer(500, b""))
    file_stands(first)
    assert webhook(next(either), job, result(job)).status == 204
    for reader in (next(either), next(either)):
        seen = reader.read(job["id"]).json
        assert (seen["status"], seen["webhook"]["state"], seen["metadata"]) == ("succeeded", "retrying", {"order": 7})
        assert seen["metrics"]["engine"] == "preview"
    assert next(either).tick().status == 200
    assert next(either).tick().status == 200


def test_each_cancels_what_the_other_accepted(either: Iterator[System]) -> None:
    for _ in range(2):
        job = next(either).submit().json
        path = f"/v1/avatar/jobs/{job['id']}"
        assert next(either).function("job_status").call("DELETE", path, headers=KEY).status == 202
        assert webhook(next(either), job, None, status="cancelled").status == 204
        assert [reader.read(job["id"]).json["status"] for reader in (next(either), next(either))] == ["cancelled"] * 2
        next(either)  # now the other one begins


def test_the_tick_of_each_works_off_what_the_other_left(system: System, before: System) -> None:
    for submitter, other in ((system, before), (before, system)):
        submitter.salad.answers.append(Answer(429, b""))
        job = submitter.submit(submitter.body(webhook_url=f"{submitter.app.url}/done")).json
        submitter.move_clock(61)
        assert other.tick().json["done"]["dispatched"] == 1
        assert submitter.read(job["id"]).json["phase"] == "dispatched"
        submitter.move_clock(3700)
        assert other.tick().status == 200
        seen = submitter.read(job["id"]).json
        assert (seen["status"], seen["webhook"]["state"]) == ("failed", "delivered"), "past its start deadline"
