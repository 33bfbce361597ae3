"""Scaling with real worker processes: a burst enlarges the fleet, its end shrinks it, no busy worker is killed."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.e2e.faults import Faulty, faulty
from tests.e2e.rehearsals import Rehearsal, rehearsal
from tests.support.openapi import OpenApiValidator
from tests.support.processes import command_of, descendants
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e
FIXED, MOST, JOBS = 1, 3, 20
STORES = ["sqlite", pytest.param("firestore", marks=pytest.mark.emulator)]


@pytest.fixture(params=STORES)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One rehearsal whose tick may add three replicas to a fixed one."""
    settings = {"REPLICAS": str(FIXED), "SCALED_MAX": str(MOST), "TICK_SEC": "2", "STORE": request.param}
    with rehearsal(tmp_path_factory.mktemp("scaling"), **settings) as started:
        yield started


@pytest.fixture
def system(running: Rehearsal, openapi: OpenApiValidator) -> Iterator[Faulty]:
    """The test's view of it."""
    with faulty(running, openapi, tick_sec=2) as one:
        yield one


def scaled_group(system: Faulty) -> dict[str, Any]:
    """Returns the group that the tick scales."""
    groups = system.control("GET", "/state")["groups"]
    return next(group for group in groups if group["name"] == "avatar-scaled")


def tick_url(running: Rehearsal) -> str:
    """Returns the URL of scale_tick."""
    commands = [command_of(pid) for pid in descendants(running.process.pid)]
    port = next(re.search(r"--port=(\d+)", line) for line in commands if "--target=scale_tick" in line)
    assert port is not None
    return f"http://127.0.0.1:{port[1]}/tick"


def two_at_once(url: str) -> list[str]:
    """Calls two ticks at the same time. Returns their answers about the lease."""
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda _: requests.post(url, timeout=30).json()["lease"], range(2))
    return list(answers)


def test_the_fleet_follows_a_burst_while_salad_and_the_tick_fail_now_and_then(system: Faulty) -> None:
    assert scaled_group(system)["replicas"] == 0
    media = {name: f"{system.running.ready['media']}/{name}" for name in ("face.mp4", "speech.wav")}
    faults = {
        "a refused change": system.order("update_container_group", {"status": 500}, times=1),
        "a page of HTML": system.order("get_queue", {"status": 503, "html": True}, times=2),
        "a cut answer": system.order("get_queue", {"cut": "before"}, times=1),
    }
    jobs = [
        system.app.submit(video_url=media["face.mp4"], audio_url=media["speech.wav"], webhook_url=None)
        for _ in range(JOBS)
    ]
    url = tick_url(system.running)
    eventually(lambda: "taken by another tick" in two_at_once(url), 60, "two ticks of which one got the lease")

    eventually(lambda: all(system.app.read(job["id"])["done"] for job in jobs), 180, "the end of the burst")
    eventually(lambda: scaled_group(system)["replicas"] == 0, 60, "the minimum")

    # from the log: a test that polls may miss the highest size on a busy machine
    sizes = [line["changed"]["avatar-scaled"] for line in system.log("scaling_decided") if line["changed"]]
    assert 2 <= max(sizes) <= MOST, "within the budget"
    assert {system.app.read(job["id"])["status"] for job in jobs} == {"succeeded"}
    assert {name: system.happened(fault) for name, fault in faults.items()} == {
        "a refused change": 1, "a page of HTML": 2, "a cut answer": 1,
    }  # fmt: skip
    ours = {job["id"] for job in jobs}
    tries = [one["attempts"] for one in system.control("GET", "/state")["jobs"] if one["metadata"]["job_id"] in ours]
    assert tries == [1] * JOBS, "a busy worker was killed, or a job sent twice"
    assert system.log("tick_woken"), "the first job came into an idle system"
    reasons = {line["reason"] for line in system.log("scaling_decided")}
    assert "need" in reasons
    assert any(reason.startswith("blind") for reason in reasons)
