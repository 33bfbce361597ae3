"""Salad refuses a job, loses its answer or is too slow at submit: the app gets its 202, and the job runs once.

Faults that the tick finds only after a minute (500, an HTML 503, a cut before the effect) are in
tests/functional/test_reconciling_with_salad.py, where the clock can be moved.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.faults import Faulty, faulty, faulty_rehearsal
from tests.e2e.rehearsals import Rehearsal
from tests.support.openapi import OpenApiValidator
from tests.support.waiting import within

pytestmark = pytest.mark.e2e
ACCEPT_SEC = 8.0  # the API answers a submission within 8 s whatever Salad does


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One rehearsal for this file's tests."""
    with faulty_rehearsal(tmp_path_factory.mktemp("rehearsal"), replicas=1) as started:
        yield started


@pytest.fixture
def system(running: Rehearsal, openapi: OpenApiValidator) -> Iterator[Faulty]:
    """This test's view of it."""
    with faulty(running, openapi) as one:
        yield one


def seconds_queued(job: dict[str, Any]) -> float:
    """Returns the seconds from the request to the start of the run."""
    began, started = (datetime.fromisoformat(job[name]) for name in ("created_at", "started_at"))
    return (started - began).total_seconds()


def seconds_until_salad_had_it(system: Faulty, job: dict[str, Any]) -> float:
    """Returns the seconds from the request until Salad created its job."""
    (salad_job,) = system.salad_jobs(job["id"])
    queue = f"/projects/{system.running.ready['project']}/queues/{system.running.ready['queue']}"
    created = system.salad("GET", f"{queue}/jobs/{salad_job['id']}")["create_time"]
    return (datetime.fromisoformat(created) - datetime.fromisoformat(job["created_at"])).total_seconds()


def test_a_429_is_sent_again_as_the_same_attempt_after_the_pause_and_not_before_what_it_asked_for(
    system: Faulty,
) -> None:
    pauses = {5.0: {"status": 429}, 13.0: {"status": 429, "retry_after": 13}}
    jobs = {}
    for pause_sec, fault in pauses.items():
        ordered = system.order("create_queue_job", fault)
        jobs[pause_sec] = job = system.submit()
        assert system.happened(ordered) == 1
        assert (job["status"], job["phase"]) == ("queued", "accepted")
    for pause_sec, job in jobs.items():
        assert seconds_queued(system.check_outcome(job)) >= pause_sec
        assert [line["outcome"] for line in system.log("job_not_dispatched", job_id=job["id"])] == ["DispatchUnsent"]
        assert len(system.salad_jobs(job["id"])) == 1


def test_a_time_out_whose_effect_comes_afterwards_is_one_job(system: Faulty) -> None:
    ordered = system.order("create_queue_job", {"delay_sec": 5})
    with within(ACCEPT_SEC):
        job = system.submit()
    assert job["phase"] == "accepted"
    system.check_outcome(job)
    assert system.happened(ordered) == 1
    assert len(system.salad_jobs(job["id"])) == 1
    assert seconds_until_salad_had_it(system, job) >= 5, "it had no effect when the call timed out"
    assert [line["outcome"] for line in system.log("job_not_dispatched", job_id=job["id"])] == ["DispatchUnknown"]


def test_an_answer_that_is_cut_after_the_effect_is_one_job(system: Faulty) -> None:
    ordered = system.order("create_queue_job", {"cut": "after"})
    job = system.submit()
    system.check_outcome(job)
    assert system.happened(ordered) == 1
    assert len(system.salad_jobs(job["id"])) == 1
    assert [line["outcome"] for line in system.log("job_not_dispatched", job_id=job["id"])] == ["DispatchUnknown"]


def test_a_job_that_is_deleted_at_salad_is_sent_again(system: Faulty) -> None:
    blocker = system.submit("order1=hold")
    system.held(blocker["id"])
    job = system.submit()
    (attempt,) = system.salad_jobs(job["id"])
    assert attempt["status"] == "pending"
    queue = f"/projects/{system.running.ready['project']}/queues/{system.running.ready['queue']}"
    system.salad("DELETE", f"{queue}/jobs/{attempt['id']}")
    system.release()
    system.check_outcome(job, attempt=2)
    assert [one["status"] for one in system.salad_jobs(job["id"])] == ["cancelled", "succeeded"]
    system.check_outcome(blocker)


def test_an_instance_that_is_killed_costs_one_of_salads_tries_and_no_attempt(system: Faulty) -> None:
    job = system.submit("order1=hold")
    system.control("POST", f"/instances/{system.held(job['id'])['instance_id']}/kill")
    assert system.held(job["id"])["attempts"] == 2
    system.release()
    system.check_outcome(job)


def test_four_killed_instances_are_a_failed_attempt_and_the_next_one_does_it(system: Faulty) -> None:
    job = system.submit("order1=hold")
    killed = set()
    for _ in range(4):
        instance_id = system.held(job["id"])["instance_id"]
        system.control("POST", f"/instances/{instance_id}/kill")
        killed.add(instance_id)
    assert len(killed) == 4
    system.check_outcome(job, attempt=2)
    first, second = system.salad_jobs(job["id"])
    assert (first["status"], first["attempts"], second["status"]) == ("failed", 4, "succeeded")
