"""The tick works in parallel lanes: what jobs and apps wait for is not delayed by what finished jobs left behind."""

import threading
from typing import Any

import pytest

from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.domain.job.due_timers import LANES, Lane, by_lane
from avatar_jobs.domain.job.model import Timer
from avatar_jobs.ports.jobs import StoredJob
from avatar_jobs.services.dispatch.dispatcher import Dispatcher
from avatar_jobs.services.tick.housekeeper import Housekeeper
from tests.functional.test_tick_fences import due_for, waiting_dispatch
from tests.support.system import System


def purges(system: System, number: int) -> list[str]:
    """Finished jobs whose retention is over."""
    ids = [str(system.submit().json["id"]) for _ in range(number)]
    for job_id in ids:
        due_for(system, Timer.PURGE, job_id)
    return ids


def test_deadlines_dispatches_and_verifications_share_no_lane_with_purges_and_revocations() -> None:
    assert {timer for timer, lane in LANES.items() if lane is Lane.REMAINS} == {
        Timer.PURGE,
        Timer.REVOKE,
        Timer.CLEANUP,
    }
    due = [(timer, timer) for timer in (Timer.PURGE, Timer.DISPATCH, Timer.CLEANUP, Timer.RUN_DEADLINE, Timer.VERIFY)]
    assert by_lane(due, 10) == {
        Lane.JOBS: [Timer.RUN_DEADLINE, Timer.VERIFY, Timer.DISPATCH],
        Lane.CALLBACKS: [],
        Lane.REMAINS: [Timer.CLEANUP, Timer.PURGE],
    }
    assert by_lane(due, 1)[Lane.JOBS] == [Timer.RUN_DEADLINE]


def test_a_burst_of_purges_that_fills_the_list_of_due_jobs_hides_nothing(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avatar_jobs.services.tick.due_work.DUE_LIMIT", 3)
    purges(system, 6)
    job_id = waiting_dispatch(system)
    assert system.tick().json["done"]["dispatched"] == 1
    assert system.read(job_id).json["phase"] == "dispatched"


def test_a_backlog_that_cannot_be_read_costs_the_tick_nothing_else(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avatar_jobs.services.tick.due_work.DUE_LIMIT", 1)
    job_id = waiting_dispatch(system)
    original = type(system.store()).due

    def due(self: Any, now: Any, limit: int, **named: Any) -> Any:
        if limit > 1:
            raise StorageUnavailableError("too slow")
        return original(self, now, limit, **named)

    monkeypatch.setattr(type(system.store()), "due", due)
    assert system.tick().json["done"] == {"dispatched": 1}
    assert system.read(job_id).json["phase"] == "dispatched"


def test_purges_that_take_long_do_not_delay_a_dispatch(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = threading.Event()
    waited: list[bool] = []
    send = Dispatcher.send

    def seen(self: Dispatcher, claimed: StoredJob) -> StoredJob:
        result = send(self, claimed)
        sent.set()
        return result

    monkeypatch.setattr(Dispatcher, "send", seen)
    monkeypatch.setattr(Housekeeper, "_purge", lambda self, stored: waited.append(sent.wait(30)))
    purges(system, 6)
    sent.clear()
    waiting_dispatch(system)
    sent.clear()
    assert system.tick().json["done"] == {"dispatched": 1, "purge": 6}
    assert waited == [True] * 6, "each purge ended after the dispatch, which began later"


def test_many_jobs_are_served_at_the_same_time_and_each_is_counted(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(8)
    monkeypatch.setattr(Housekeeper, "_verify", lambda *_: str(together.wait(30) >= 0 and "verified"))
    for _ in range(16):
        due_for(system, Timer.VERIFY, str(system.submit().json["id"]))
    assert system.tick().json["done"] == {"verified": 16}
