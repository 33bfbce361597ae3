"""Planned faults happen, are counted, and have the documented effect."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.salad_sim import Simulator, simulator


@pytest.fixture(scope="module")
def started() -> Iterator[Simulator]:
    with simulator() as running:
        running.call("create_queue", {"name": "jobs"})
        yield running


@pytest.fixture
def shared(started: Simulator) -> Simulator:
    started.control("POST", "/reset")
    return started


def test_a_status_fault_happens_as_often_as_planned_and_then_no_more(shared: Simulator) -> None:
    fault = shared.plan_fault("get_queue", {"status": 503, "retry_after": 2}, times=2)
    answers = [shared.call("get_queue", is_spoilt=True) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "2"
    assert answers[0].json()["status"] == 503
    assert shared.happened(fault) == 2


def test_a_fault_does_not_affect_other_operations(shared: Simulator) -> None:
    fault = shared.plan_fault("get_queue", {"status": 500})
    assert shared.call("list_queues").status_code == 200
    assert shared.happened(fault) == 0


def test_an_html_fault_is_a_page(shared: Simulator) -> None:
    shared.plan_fault("create_queue_job", {"status": 502, "html": True})
    answer = shared.call("create_queue_job", {"input": 1}, is_spoilt=True)
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert answer.text.startswith("<!DOCTYPE html>")
    assert shared.state()["jobs"] == []


def test_a_delay_holds_the_answer_back(shared: Simulator) -> None:
    shared.plan_fault("list_queues", {"delay_sec": 0.5})
    before = time.monotonic()
    assert shared.call("list_queues").status_code == 200
    assert time.monotonic() - before >= 0.5


@pytest.mark.parametrize(("cut", "made"), [("before", 0), ("after", 1)])
def test_a_cut_loses_the_answer_and_before_it_the_effect_too(shared: Simulator, cut: str, made: int) -> None:
    jobs_before = len(shared.state()["jobs"])
    fault = shared.plan_fault("create_queue_job", {"cut": cut})
    with pytest.raises(requests.ConnectionError):
        shared.call("create_queue_job", {"input": 1}, is_spoilt=True)
    assert shared.happened(fault) == 1
    assert len(shared.state()["jobs"]) == jobs_before + made
    assert shared.call("list_queues").status_code == 200


def test_reset_drops_faults_and_counters_but_no_job(shared: Simulator) -> None:
    job_id = shared.submit(1)
    fault = shared.plan_fault("get_queue", {"status": 500})
    shared.control("POST", "/reset")
    assert shared.control("GET", f"/faults/{fault}").status_code == 404
    assert shared.call("get_queue").status_code == 200
    assert shared.state()["calls"] == {"get_queue": 1}
    assert job_id in [job["id"] for job in shared.state()["jobs"]]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"operation": "no_such", "fault": {"status": 503}}, "no_such"),
        ({"operation": "get_queue", "fault": {"explode": True}}, "explode"),
        ({"operation": "get_queue", "fault": {"status": 200}}, "status"),
        ({"operation": "get_queue", "fault": {"cut": "middle"}}, "middle"),
        ({"operation": "get_queue", "fault": {"lose": True}}, "lose"),
        ({"operation": "get_queue", "fault": {"status": 503, "body": "x"}}, "body"),
        ({"operation": "get_queue", "fault": {"status": 503, "delay_sec": 1}}, "exactly one"),
        ({"operation": "webhook", "fault": {"lose": False}}, "lose"),
        ({"operation": "get_queue", "fault": {"status": 503}, "times": 0}, "times"),
        ({"operation": "get_queue", "fault": {"status": 503}, "when": "now"}, "when"),
        ({"operation": "get_queue"}, "None"),
        ([], "object"),
    ],
)
def test_an_unknown_fault_is_400_and_named(shared: Simulator, body: Any, named: str) -> None:
    answer = shared.control("POST", "/faults", body)
    assert answer.status_code == 400
    assert named in answer.json()["detail"]


def test_the_answer_to_a_planned_fault_is_the_whole_fault(shared: Simulator) -> None:
    answer = shared.control("POST", "/faults", {"operation": "webhook", "fault": {"late_sec": 5}})
    assert answer.status_code == 201
    fault = answer.json()
    assert fault == {
        "id": fault["id"],
        "operation": "webhook",
        "fault": {"late_sec": 5},
        "times": 1,
        "happened": 0,
    }
    assert shared.control("GET", f"/faults/{fault['id']}").json() == fault
