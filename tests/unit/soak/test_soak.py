"""Checks that a soak is the same for the same seed, plans only what exists, and that its books see what is wrong."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from infra.local.b2_sim.faults import FAULTY
from infra.local.faults import parsed
from tests.soak import books
from tests.soak.clients import SoakJob
from tests.soak.plan import MANNERS, OF_B2, ORDERS, TARGETS, JobPlan, SoakPlan, draw
from tests.soak.receivers import Delivery

SECRET = "whsec_" + "A" * 43 + "="
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
OPERATIONS = frozenset(
    {"create_queue_job", "get_queue_job", "list_queue_jobs", "delete_queue_job", "get_queue", "webhook"}
)


def drawn(seed: int, jobs: int = 400) -> SoakPlan:
    return draw(seed, jobs, 600.0, store="firestore", short_deadlines=False)


def test_the_same_seed_gives_the_same_soak_and_another_seed_another() -> None:
    assert drawn(1).text() == drawn(1).text()
    assert drawn(1).text() != drawn(2).text()


def test_the_simulator_knows_every_planned_fault_and_each_kind_of_the_contract_is_planned() -> None:
    faults = [
        parsed("id", {"operation": one.operation, "fault": one.fault, "times": one.times}, OPERATIONS)
        for one in drawn(1).faults
        if one.system == "salad"
    ]
    assert {one.operation for one in faults} == OPERATIONS
    kinds = {(one.kind, one.fault.get("cut")) for one in faults}
    assert kinds == {
        ("status", None), ("delay_sec", None), ("cut", "before"), ("cut", "after"), ("lose", None), ("double", None),
        ("late_sec", None), ("forge", None),
    }  # fmt: skip


def test_the_b2_simulator_knows_every_planned_fault() -> None:
    faults = [one for one in drawn(1).faults if one.system == "b2"]
    assert {one.operation for one in faults} == set(OF_B2) <= FAULTY
    for one in faults:
        parsed("id", {"operation": one.operation, "fault": one.fault, "times": one.times}, FAULTY)


def test_every_order_manner_and_target_is_played() -> None:
    plan = drawn(1)
    assert {order for job in plan.jobs for order in job.orders} >= set(ORDERS)
    assert {job.manner for job in plan.jobs} == set(MANNERS)
    assert {blow.target for blow in plan.blows} == set(TARGETS)
    assert not any(blow.kind == "kill" and blow.target == "firestore" for blow in plan.blows)


def job(**changes: Any) -> SoakJob:
    fields: dict[str, Any] = {
        "number": 1, "at": 0.0, "client": "alpha", "orders": ("honest",) * 3, "manner": "good", "metadata": 0,
        "start_sec": 100, "run_sec": 50, "cancel_after": None,
    }  # fmt: skip
    return SoakJob(JobPlan(**{**fields, **changes}), id="j1")


def shown(status: str = "succeeded", after_sec: float = 60.0, **changes: Any) -> dict[str, Any]:
    def text(seconds: float) -> str:
        return (CREATED + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")

    ended = status in books.TERMINAL
    return {
        "id": "j1", "status": status, "phase": None, "progress": 1.0, "output_url": "http://x", "error": None,
        "created_at": text(0), "started_at": text(10), "finished_at": text(after_sec) if ended else None,
        "input": {"start_timeout_seconds": 100, "run_timeout_seconds": 50}, "webhook": {"state": "delivered"},
        **changes,
    }  # fmt: skip


def found(one: SoakJob, as_shown: dict[str, Any]) -> list[str]:
    return [fault.text for fault in books.job_faults(one, as_shown, CREATED, tick_sec=2.0)]


def test_a_job_that_went_well_has_clean_books() -> None:
    assert found(job(), shown()) == []


@pytest.mark.parametrize(
    ("one", "as_shown", "text"),
    [
        (job(), shown("running"), "still running"),
        (job(), shown("failed", 200.0, error={"code": "run_timeout"}), "after its deadline"),
        (job(), shown("cancelled"), "nobody asked"),
        (job(), shown("failed", error={"code": "face_lost"}), "never said"),
        (job(orders=("malformed",) * 3), shown(), "no attempt made a video"),
        (job(), shown(output_url=None), "it succeeded with"),
    ],
)
def test_what_is_wrong_with_a_job_is_found(one: SoakJob, as_shown: dict[str, Any], text: str) -> None:
    assert any(text in fault for fault in found(one, as_shown))


def delivery(
    *, webhook_id: str = "m1", status: str = "succeeded", accepted: bool = True, pretty: bool = False
) -> Delivery:
    body = json.dumps({"id": "j1", "status": status}, separators=None if pretty else (",", ":"))
    now = datetime.now(UTC)
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(webhook_id, now, body),
    }
    return Delivery(headers, body.encode(), accepted, now.timestamp())


def callback_faults(*received: Delivery, **changes: Any) -> list[str]:
    return [one.text for one in books.callback_faults(job(), shown(**changes), received, SECRET)]


def test_callbacks_that_are_right_have_clean_books() -> None:
    assert callback_faults(delivery(accepted=False), delivery()) == []


def test_what_is_wrong_with_callbacks_is_found() -> None:
    assert "never arrived" in callback_faults()[0]
    assert "more than one webhook-id" in callback_faults(delivery(), delivery(webhook_id="m2"))[0]
    assert "a callback says" in callback_faults(delivery(status="failed"))[0]
    assert "not compact" in callback_faults(delivery(pretty=True))[0]
    assert "not recorded" in callback_faults(delivery(), webhook={"state": "retrying"})[0]
    forged = delivery()
    assert "signature" in callback_faults(replace(forged, body=forged.body.replace(b"j1", b"j2")))[0]
    assert "signature" in callback_faults(replace(forged, at=forged.at + 400))[0]


def test_what_is_left_outside_is_found() -> None:
    jobs = [{"id": "s1", "status": "running", "metadata": {"job_id": "j1"}}, {"id": "s2", "status": "failed"}]
    assert [one.job for one in books.salad_faults({"jobs": jobs})] == ["j1"]
    keys = [{"name": "master", "prefix": None}, {"name": "job-1", "prefix": "outputs/j1"}]
    assert len(list(books.key_faults({"keys": keys}))) == 1
    assert len(list(books.verified_elsewhere([(job(), shown())], files=set()))) == 1
    assert list(books.verified_elsewhere([(job(), shown())], files={"musetalk/outputs/j1.mp4"})) == []
    refused = replace(job(), id=None, refused="no answer")
    assert len(list(books.refusal_faults([refused, job()]))) == 1
    assert len(list(books.fault_faults({"a": 0, "b": 1}))) == 1
    assert len(list(books.event_faults({"j1": 2}, {"500": 1}, {"500": 1, "ConnectionError": 9}))) == 3
    assert len(list(books.memory_faults({"a": 1.1, "b": 2.0}))) == 1
