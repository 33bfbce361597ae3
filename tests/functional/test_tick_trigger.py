"""A job that arrives in an idle system starts the tick: at most every 20 s, without delay for the request."""

import importlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from avatar_jobs.adapters.cloud_scheduler import CloudScheduler
from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.services.intake.tick_trigger import TickTrigger
from infra.local.ports import reserved_port
from tests.support.events import events
from tests.support.scripted_server import Answer, ScriptedServer, scripted_server
from tests.support.system import System

JOB = "projects/p/locations/l/jobs/tick"
WAIT_SEC = 30.0


def said(capfd: pytest.CaptureFixture[str], event: str) -> None:
    """Waits for the call to the scheduler, which runs in its own thread, and checks that the event was logged.

    The output is read once, after the thread: reading it while the thread writes can lose the line.
    """
    for thread in threading.enumerate():
        if thread.name == "tick-trigger":
            thread.join(WAIT_SEC)
            assert not thread.is_alive(), "the call to the scheduler did not end"
    assert events(capfd.readouterr().out, event)


@pytest.fixture
def scheduler() -> Iterator[ScriptedServer]:
    """Stands for Cloud Scheduler's API."""
    with scripted_server(Answer(200, json.dumps({"name": JOB}).encode())) as server:
        yield server


@pytest.fixture
def triggered(system: System, scheduler: ScriptedServer) -> System:
    """The control plane with a scheduler. Its library is imported first, which takes long on a busy machine."""
    importlib.import_module("google.cloud.scheduler_v1")
    system.environment |= {"WAKE_JOB": JOB, "WAKE_API_URL": scheduler.url}
    return system


def test_the_first_job_starts_the_tick_and_the_next_ones_do_not(
    triggered: System, scheduler: ScriptedServer, capfd: pytest.CaptureFixture[str]
) -> None:
    assert triggered.submit().status == 202
    said(capfd, "tick_woken")
    assert [(call.method, call.path.partition("?")[0]) for call in scheduler.received] == [("POST", f"/v1/{JOB}:run")]
    for _ in range(3):
        triggered.submit()
    triggered.move_clock(60)
    triggered.submit()  # a minute later the system is not idle
    assert len(scheduler.received) == 1


@pytest.mark.parametrize("answer", [Answer(500), Answer(403), Answer(cut=True), Answer(200, b"<html>")])
def test_a_submission_succeeds_when_the_scheduler_fails(
    triggered: System, scheduler: ScriptedServer, answer: Answer, capfd: pytest.CaptureFixture[str]
) -> None:
    scheduler.default = answer
    assert triggered.submit().status == 202
    said(capfd, "tick_not_woken")


def test_one_instance_asks_at_most_once_in_twenty_seconds() -> None:
    now, asked = [datetime(2026, 1, 1, tzinfo=UTC)], []

    class FakeScheduler:
        def run_tick(self) -> None:
            asked.append(now[0])

    triggered = TickTrigger(
        scheduler=FakeScheduler(), clock=lambda: now[0], log=lambda *_, **__: None, start=lambda call: call()
    )
    for seconds in (0, 5, 14, 1, 19, 1):
        now[0] += timedelta(seconds=seconds)
        triggered.job_came(0)
    triggered.job_came(3)
    assert [(moment - asked[0]).total_seconds() for moment in asked] == [0, 20, 40]


def test_without_a_scheduler_nothing_is_asked(system: System) -> None:
    assert system.submit().status == 202


def test_an_unreachable_scheduler_is_one_error() -> None:
    with pytest.raises(ProviderError, match="scheduler"):
        CloudScheduler(JOB, f"http://127.0.0.1:{reserved_port()}").run_tick()
