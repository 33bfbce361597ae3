"""scale_tick: its lease, dispatches whose outcome was lost, deadlines, and callbacks that failed once."""

import json

import pytest

from avatar_jobs.domain.job.events import RedeliveryRequested
from avatar_jobs.domain.job.transition import transition
from tests.support.events import events
from tests.support.functions import CLIENTS
from tests.support.salad_side import attempts_sent, file_stands, report, result, webhook
from tests.support.scripted_server import Answer
from tests.support.system import System


def test_a_tick_with_nothing_to_do_does_nothing(system: System) -> None:
    system.submit()
    assert system.tick().json == {"lease": "held", "done": {}}


def test_a_second_tick_finds_the_lease_held_and_reports_it(system: System) -> None:
    ticker = system.function("scale_tick")
    tick_state = system.stores().tick_state
    now = system.clock()
    assert tick_state.take_tick_lease("another", now, now.replace(year=now.year + 1))

    assert ticker.call("POST", "/tick").json == {"lease": "taken by another tick", "done": {}}
    tick_state.release_tick_lease("another", now, {})
    assert ticker.call("POST", "/tick").json["lease"] == "held"


def test_a_429_means_unsent_and_the_same_attempt_is_sent_again_after_the_pause(system: System) -> None:
    system.salad.answers.append(Answer(429, b"", {"Retry-After": "40"}))
    job = system.submit().json

    system.move_clock(35)
    assert system.tick().json["done"] == {}
    system.move_clock(10)
    assert system.tick().json["done"] == {"dispatched": 1}
    assert attempts_sent(system) == [1, 1]
    assert system.read(job["id"]).json["phase"] == "dispatched"


def test_a_lost_answer_is_never_repeated_and_becomes_the_next_attempt_after_a_minute(system: System) -> None:
    system.salad.answers.append(Answer(cut=True))
    job = system.submit().json

    system.move_clock(50)
    assert system.tick().json["done"] == {}
    system.move_clock(15)
    assert system.tick().json["done"] == {"dispatch_looked_for": 1}
    assert system.tick().json["done"] == {"dispatched": 1}
    assert attempts_sent(system) == [1, 2]
    assert system.read(job["id"]).json["attempt"] == 2


def test_a_report_proves_that_a_lost_dispatch_arrived(system: System) -> None:
    system.salad.answers.append(Answer(cut=True))
    job = system.submit().json
    report(system, job)

    system.move_clock(50)
    assert system.tick().json["done"] == {}
    file_stands(system)
    webhook(system, job, result(job))
    assert system.read(job["id"]).json["status"] == "succeeded"


def test_a_salad_that_loses_every_answer_ends_no_job_before_its_deadline(system: System) -> None:
    system.salad.default = Answer(500, b"")
    job = system.submit(system.body(start_timeout_seconds=1000)).json

    for _ in range(12):
        system.move_clock(70)
        system.tick()
        system.tick()
    assert system.read(job["id"]).json["status"] == "queued"
    assert attempts_sent(system)[:4] == [1, 2, 3, 3]
    system.move_clock(200)
    system.tick()

    failed = system.read(job["id"]).json
    assert failed["error"] == {
        "code": "queue_timeout",
        "message": "No GPU took the job within its start_timeout_seconds of 1000. Submit the job again.",
        "stage": "queue",
        "retryable": True,
    }


def test_a_run_past_its_deadline_fails_and_the_app_gets_a_callback(system: System) -> None:
    body = system.body(run_timeout_seconds=60, webhook_url=f"{system.app.url}/done")
    job = system.submit(body).json
    report(system, job)

    system.move_clock(61)
    assert system.tick().json["done"] == {"deadline": 1}
    assert system.read(job["id"]).json["error"]["code"] == "run_timeout"
    assert json.loads(system.app.received[0].body)["error"]["code"] == "run_timeout"


def test_a_failed_callback_is_tried_again_with_the_same_id_and_a_fresh_signature(system: System) -> None:
    job = system.submit(system.body(webhook_url=f"{system.app.url}/done")).json
    file_stands(system)
    system.app.answers.append(Answer(500, b""))
    webhook(system, job, result(job))
    failed_once = system.read(job["id"]).json["webhook"]
    assert (failed_once["state"], failed_once["attempts"], failed_once["last_status"]) == ("retrying", 1, 500)

    system.move_clock(6)
    assert system.tick().json["done"] == {"called_back": 1}

    assert system.read(job["id"]).json["webhook"]["state"] == "delivered"
    first, second = system.app.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_a_410_ends_the_callbacks(system: System) -> None:
    job = system.submit(system.body(webhook_url=f"{system.app.url}/done")).json
    file_stands(system)
    system.app.default = Answer(410, b"")
    webhook(system, job, result(job))

    assert system.read(job["id"]).json["webhook"] == {
        "state": "failed", "attempts": 1, "last_status": 410, "next_attempt_at": None,
    }  # fmt: skip


@pytest.mark.parametrize("by_the_tick", [False, True])
def test_a_callback_of_a_client_that_was_removed_is_given_up_and_never_sent_unsigned(
    system: System, capsys: pytest.CaptureFixture[str], by_the_tick: bool
) -> None:
    job = system.submit(system.body(webhook_url=f"{system.app.url}/done")).json
    file_stands(system)
    if by_the_tick:
        system.app.default = Answer(500, b"")
        webhook(system, job, result(job))
        system.app.default = Answer(200, b"")
    tries = int(by_the_tick)
    system.environment["API_CLIENTS"] = json.dumps({"campaigns": CLIENTS["campaigns"]})
    system.loaded.clear()
    capsys.readouterr()
    if by_the_tick:
        system.move_clock(61)
        system.tick()
    else:
        webhook(system, job, result(job))

    assert len(system.app.received) == tries
    [told] = events(capsys.readouterr().out, "callback_given_up")
    reason = "its client has no callback secret"
    assert (told["job_id"], told["client"], told["reason"]) == (job["id"], "studio", reason)
    stored = system.store().get(job["id"])
    assert stored
    assert stored.job.callback
    assert (stored.job.callback.state.value, stored.job.callback.attempts) == ("failed", tries)
    assert (stored.job.timeline[-1].event, stored.job.timeline[-1].detail) == ("callback_failed", reason)
    system.environment["API_CLIENTS"] = json.dumps(CLIENTS)
    system.loaded.clear()
    system.store().update(job["id"], lambda known: transition(known, RedeliveryRequested(at=system.clock())))
    system.tick()
    assert system.read(job["id"]).json["webhook"]["state"] == "delivered", "the client is back and asks for it"


def test_a_redirect_is_not_followed(system: System) -> None:
    job = system.submit(system.body(webhook_url=f"{system.app.url}/done")).json
    file_stands(system)
    system.app.default = Answer(307, b"", {"Location": f"{system.app.url}/elsewhere"})
    webhook(system, job, result(job))

    assert [call.path for call in system.app.received] == ["/done"]
    assert system.read(job["id"]).json["webhook"]["state"] == "retrying"
