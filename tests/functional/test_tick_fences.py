"""The tick survives anything: a fault in one piece is stored and logged, and the next piece is still served."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from avatar_jobs.domain.job.model import Callback, DispatchState, Job, JobStatus, Timer
from avatar_jobs.services.breaker import what_broke
from avatar_jobs.services.callbacks.deliverer import CallbackDeliverer
from avatar_jobs.services.dispatch.dispatcher import Dispatcher
from avatar_jobs.services.outcome.finisher import Finisher
from avatar_jobs.services.outcome.verifier import Verifier
from avatar_jobs.services.tick.housekeeper import Housekeeper
from avatar_jobs.services.tick.reconciler import Reconciler
from avatar_jobs.services.tick.scaler import Scaler
from tests.support.events import events
from tests.support.factories import a_claim
from tests.support.fake_salad import problem
from tests.support.salad_side import report
from tests.support.scripted_server import Answer
from tests.support.system import System

# What serving each timer calls; the fault happens there, after the timer was claimed as far as it is claimed at all.
SERVED_BY: dict[Timer, tuple[type, str]] = {
    Timer.VERIFY: (Verifier, "verify"),
    Timer.CALLBACK: (Housekeeper, "_call_back"),
    Timer.REVOKE: (Housekeeper, "_revoke"),
    Timer.RUN_DEADLINE: (Reconciler, "reconcile"),
    Timer.START_DEADLINE: (Reconciler, "reconcile"),
    Timer.CANCEL: (Reconciler, "cancel"),
    Timer.SILENCE: (Reconciler, "reconcile"),
    Timer.DISPATCH: (Dispatcher, "send"),
    Timer.CLEANUP: (Reconciler, "clean_up"),
    Timer.PURGE: (Housekeeper, "_purge"),
}
AFTER_THE_END = (Timer.CALLBACK, Timer.REVOKE, Timer.PURGE)


class UnexpectedError(Exception):
    """A type that no code of the functions names."""


def breaks(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, job_id: str | None = None) -> None:
    """Lets a method raise UnexpectedError, for one job or for all."""
    original: Callable[..., Any] = getattr(owner, name)

    def broken(self: Any, *arguments: Any, **named: Any) -> Any:
        if job_id is None or any(getattr(getattr(one, "job", None), "id", None) == job_id for one in arguments):
            raise UnexpectedError("a secret")
        return original(self, *arguments, **named)

    monkeypatch.setattr(owner, name, broken)


def due_for(system: System, timer: Timer, job_id: str) -> None:
    """Makes one timer of a stored job due, and no other one."""
    past = system.clock() - timedelta(seconds=1)

    def change(job: Job) -> Job:
        fields: dict[str, Any] = {"timers": {timer: past}}
        if timer in AFTER_THE_END:
            fields |= {"status": JobStatus.CANCELLED, "phase": None, "finished_at": past}
            fields |= {"callback": Callback(webhook_id="msg_1"), "upload_key_ids": ("key-1",)}
        if timer is Timer.VERIFY:
            fields["claimed_result"] = a_claim(at=past)
        if timer is Timer.DISPATCH:
            fields["attempts"] = (job.attempt.model_copy(update={"dispatch": DispatchState.UNSENT}),)
        return job.model_copy(update=fields)

    assert system.store().update(job_id, change)


def waiting_dispatch(system: System) -> str:
    """A job that the next tick sends, after everything that is due for longer."""
    system.salad.answers.append(problem(429))
    job_id = str(system.submit().json["id"])
    due_for(system, Timer.DISPATCH, job_id)
    return job_id


def alarms(written: str) -> list[dict[str, Any]]:
    """The events of a fault that nobody expects; none of them tells the exception's text."""
    found = [event for event in events(written) if event.get("error") == UnexpectedError.__name__]
    assert all(event["severity"] in ("ERROR", "WARNING") for event in found)
    assert "a secret" not in str(found)
    return found


def test_each_timer_has_its_case() -> None:
    assert set(SERVED_BY) == set(Timer)


@pytest.mark.parametrize("timer", list(Timer))
def test_a_timer_that_breaks_is_put_off_and_the_next_job_is_served(
    timer: Timer, system: System, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = str(system.submit().json["id"])
    due_for(system, timer, bad)
    good = waiting_dispatch(system)
    with monkeypatch.context() as broken:
        breaks(broken, *SERVED_BY[timer], bad)
        assert system.tick().json["done"] == {"failed": 1, "dispatched": 1}
        assert system.read(good).json["phase"] == "dispatched"
        (alarm,) = alarms(capsys.readouterr().out)
        assert (alarm["event"], alarm["job_id"], alarm["timer"]) == ("due_job_broke", bad, timer.value)
        assert alarm["where"].startswith("test_tick_fences.py:")
        assert system.tick().json["done"] == {}, "the failure is stored, and the timer has moved on"
    stored = system.store().get(bad)
    assert stored is not None
    assert stored.job.timeline[-1].event == "timer_failed"
    assert stored.job.timeline[-1].detail == f"{timer.value}: UnexpectedError"
    assert stored.job.timers[timer] > system.clock() + timedelta(seconds=20)


def test_a_timer_that_breaks_again_and_again_comes_back_less_and_less_often(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = str(system.submit(system.body(start_timeout_seconds=86_400)).json["id"])
    due_for(system, Timer.CLEANUP, bad)
    breaks(monkeypatch, Reconciler, "clean_up", bad)
    failed = 0
    for _ in range(120):
        failed += system.tick().json["done"].get("failed", 0)
        system.move_clock(60)
    assert 6 <= failed <= 9, "two hours of ticks"


@pytest.mark.parametrize("limit", ["start_timeout_seconds", "run_timeout_seconds"])
def test_whatever_the_look_at_salad_meets_a_deadline_ends_the_job_within_two_ticks(
    limit: str, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = system.submit(system.body(**{limit: 120})).json
    if limit == "run_timeout_seconds":
        report(system, job)
    breaks(monkeypatch, Reconciler, "reconcile", job["id"])
    for _ in range(5):
        system.move_clock(50)
        system.tick()
    assert system.read(job["id"]).json["status"] == "failed"


@pytest.mark.parametrize("place", ["_send", "_deliver"])
def test_a_callback_that_breaks_is_a_failed_try_and_the_next_one_is_made(
    place: str, system: System, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [system.submit(system.body(webhook_url=f"{system.app.url}/{n}", run_timeout_seconds=10)) for n in range(2)]
    bad, good = (job.json for job in jobs)
    for job in (bad, good):
        report(system, job)
    system.move_clock(11)
    if place == "_send":
        original = CallbackDeliverer._send

        def broken(self: CallbackDeliverer, job: Job, *arguments: Any) -> Any:
            if job.id == bad["id"]:
                raise UnexpectedError("a secret")
            return original(self, job, *arguments)

        monkeypatch.setattr(CallbackDeliverer, "_send", broken)
    else:
        breaks(monkeypatch, CallbackDeliverer, "deliver", bad["id"])
    done = system.tick().json["done"]
    (alarm,) = alarms(capsys.readouterr().out)
    assert (alarm["event"], alarm["job_id"]) == ("callback_broke", bad["id"])
    assert system.read(good["id"]).json["webhook"]["state"] == "delivered"
    webhook = system.read(bad["id"]).json["webhook"]
    if place == "_send":
        assert (webhook["state"], webhook["attempts"], webhook["last_status"]) == ("retrying", 1, None)
        assert done == {"deadline": 2}
    else:
        assert done == {"deadline": 2, "failed": 1}


@pytest.mark.parametrize(
    ("owner", "name", "event"),
    [
        (Reconciler, "scan", "scan_broke"),
        (Reconciler, "_judge", "scan_broke"),
        (Finisher, "announce", "scan_broke"),
    ],
)
def test_a_scan_that_breaks_is_put_off(
    owner: type,
    name: str,
    event: str,
    system: System,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    system.salad.answers.append(Answer(cut=True))
    job = system.submit().json
    system.move_clock(61)
    good = waiting_dispatch(system)
    with monkeypatch.context() as broken:
        breaks(broken, owner, name)
        done = system.tick().json["done"]
        assert (done["failed"], done["dispatched"]) == (1, 1)
        assert [alarm["event"] for alarm in alarms(capsys.readouterr().out)] == [event]
    assert system.read(good).json["phase"] == "dispatched"
    system.move_clock(61)
    system.tick()
    system.tick()
    assert system.read(job["id"]).json["attempt"] == 2


@pytest.mark.parametrize(
    ("operation", "event"),
    [
        ("fleet_state", "fleet_state_unreadable"),
        ("archive_snapshot", "snapshot_not_archived"),
        ("open_jobs", "jobs_not_counted"),
        ("release_tick_lease", "tick_not_stored"),
    ],
)
def test_a_record_that_breaks_costs_the_tick_no_job(
    operation: str, event: str, system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    good = waiting_dispatch(system)
    with system.watch.failing(operation, error=UnexpectedError("a secret")):
        assert system.tick().json["done"]["dispatched"] == 1
    assert system.read(good).json["phase"] == "dispatched"
    assert [alarm["event"] for alarm in alarms(capsys.readouterr().out)] == [event]


@pytest.mark.parametrize("name", ["scale", "_decide", "_record"])
def test_scaling_that_breaks_costs_no_job(name: str, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    good = waiting_dispatch(system)
    breaks(monkeypatch, Scaler, name)
    assert system.tick().json["done"] == {"dispatched": 1, "failed": 1}
    assert system.read(good).json["phase"] == "dispatched"


@pytest.mark.parametrize(
    ("method", "adapter"),
    [
        ("get_queue", "avatar_jobs.adapters.salad_client.client.SaladClient"),
        ("create_queue_job", "avatar_jobs.adapters.salad_client.client.SaladClient"),
        ("get_queue_job", "avatar_jobs.adapters.salad_client.client.SaladClient"),
    ],
)
def test_an_exception_that_salads_adapter_does_not_translate_is_a_call_without_an_answer(
    method: str, adapter: str, system: System, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = system.submit().json
    report(system, job)
    system.move_clock(61)
    good = waiting_dispatch(system)

    def broken(*_: Any, **__: Any) -> Any:
        raise UnexpectedError("a secret")

    monkeypatch.setattr(f"{adapter}.{method}", broken)
    done = system.tick().json["done"]
    assert done["dispatched"] == 1
    assert [alarm["event"] for alarm in alarms(capsys.readouterr().out)] == ["outside_call_broke"]
    stored = system.store().get(good)
    assert stored is not None
    lost = method == "create_queue_job"
    assert stored.job.attempt.dispatch is (DispatchState.UNKNOWN if lost else DispatchState.SENT)


def test_an_exception_without_a_place_is_described_too() -> None:
    assert what_broke(UnexpectedError("a secret")) == {"error": "UnexpectedError", "where": "unknown"}
