"""The tick's callbacks: sent in parallel, few at a time for one host, none after the tick's time."""

import json
import threading
from datetime import timedelta
from typing import Any

from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.job.events import JobRefused
from avatar_jobs.domain.job.model import JobError
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.ports.jobs import StoredJob
from avatar_jobs.services.callbacks.batch import PARALLEL, PARALLEL_A_HOST, CallbackBatch
from tests.support.factories import NOW, a_job, later
from tests.support.salad_side import report
from tests.support.system import System

ERROR = JobError(code=JobErrorCode.MEDIA_CORRUPT, message="m", stage="s", retryable=False)


class FakeDeliverer:
    """Counts how many tries are under way, in all and for each host; every try waits until the test releases it."""

    def __init__(self, hosts: int) -> None:
        self.lock = threading.Lock()
        self.now: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.most_in_all = 0
        self.full = threading.Event()
        self.expected = min(PARALLEL, hosts * PARALLEL_A_HOST)

    def deliver(self, leased: StoredJob, timeout_sec: float) -> bool:
        host = str(leased.job.input.webhook_url)
        with self.lock:
            self.now[host] = self.now.get(host, 0) + 1
            self.most[host] = max(self.most.get(host, 0), self.now[host])
            self.most_in_all = max(self.most_in_all, sum(self.now.values()))
            if sum(self.now.values()) >= self.expected:
                self.full.set()
        assert self.full.wait(30), "as many tries as allowed run side by side"
        with self.lock:
            self.now[host] -= 1
        return True


def rounds(deliverer: Any, now: Any = lambda: NOW) -> CallbackBatch:
    """The collector under test."""
    return CallbackBatch(deliverer=deliverer, clock=now, log=lambda event, **fields: None)


def ended(url: str) -> StoredJob:
    """A finished job with a webhook."""
    return StoredJob(transition(a_job(webhook_url=url), JobRefused(at=later(1), attempt=1, error=ERROR)), "1")


def test_two_tries_at_a_time_for_one_host_and_sixteen_in_all() -> None:
    deliverer = FakeDeliverer(hosts=20)
    collected = rounds(deliverer)
    for host in range(20):
        for _ in range(4):
            assert collected.deliver(ended(f"https://app-{host}.example/"), 1.0) is False
    assert collected.deliver_all(NOW + timedelta(seconds=50)) == {"accepted": 80}
    assert set(deliverer.most.values()) <= {1, PARALLEL_A_HOST}
    assert deliverer.most_in_all == PARALLEL
    assert collected.deliver_all(NOW + timedelta(seconds=50)) == {}, "each is tried once"


def test_one_host_alone_gets_two_at_a_time() -> None:
    deliverer = FakeDeliverer(hosts=1)
    collected = rounds(deliverer)
    for _ in range(6):
        collected.deliver(ended("https://slow.example/"), 1.0)
    assert collected.deliver_all(NOW + timedelta(seconds=50)) == {"accepted": 6}
    assert deliverer.most == {"https://slow.example/": PARALLEL_A_HOST}


class SilentReceivers:
    """A deliverer and a clock on which every try uses up its whole time limit."""

    def __init__(self) -> None:
        self.now = NOW
        self.limits: list[float] = []

    def deliver(self, leased: StoredJob, timeout_sec: float) -> bool:
        self.limits.append(timeout_sec)
        self.now = max(self.now, self.now + timedelta(seconds=timeout_sec / PARALLEL))  # that many at a time
        return False


def test_tries_end_with_the_ticks_time_and_what_is_left_waits_for_the_next_tick() -> None:
    silent = SilentReceivers()
    collected = rounds(silent, lambda: silent.now)
    for host in range(100):
        collected.deliver(ended(f"https://app-{host}.example/"), 15.0)
    counts = collected.deliver_all(NOW + timedelta(seconds=30))
    assert counts["refused"] + counts["not_tried"] == 100
    assert counts["refused"] < 100
    assert (max(silent.limits), min(silent.limits) < 5) == (15.0, True), "15 s, or what time is left"
    assert silent.now <= NOW + timedelta(seconds=31)


def test_after_the_ticks_time_nothing_is_tried_and_the_leases_run_out() -> None:
    collected = rounds(FakeDeliverer(hosts=1), lambda: NOW + timedelta(seconds=51))
    for _ in range(6):
        collected.deliver(ended("https://app.example/"), 1.0)
    assert collected.deliver_all(NOW + timedelta(seconds=50)) == {"not_tried": 6}


def test_callbacks_of_jobs_that_end_in_one_tick_are_sent_in_parallel_and_once(system: System) -> None:
    jobs = [
        system.submit(system.body(webhook_url=f"{system.app.url}/{n}", run_timeout_seconds=10)).json for n in range(6)
    ]
    for job in jobs:
        report(system, job)
    system.move_clock(11)
    assert system.tick().json["done"] == {"deadline": 6}
    assert sorted(call.path for call in system.app.received) == [f"/{n}" for n in range(6)]
    assert {json.loads(call.body)["error"]["code"] for call in system.app.received} == {"run_timeout"}
    assert {system.read(job["id"]).json["webhook"]["state"] for job in jobs} == {"delivered"}
