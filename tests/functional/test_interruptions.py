"""A function or its store stops between two steps: nothing is lost, and the app gets its answer."""

from typing import Any

import pytest

from tests.support.events import events
from tests.support.factories import a_job
from tests.support.salad_side import attempts_sent, file_stands, result, webhook
from tests.support.scripted_server import Answer
from tests.support.system import System


def test_a_submit_that_dies_after_its_claim_is_taken_over_by_the_tick(system: System) -> None:
    system.store().create(a_job(now=system.clock()), None)  # the claim stands, and nobody is sending

    system.move_clock(31)
    assert system.tick().json["done"] == {"dispatch_unknown": 1}
    system.move_clock(61)
    assert system.tick().json["done"] == {"dispatch_looked_for": 1}
    assert system.tick().json["done"] == {"dispatched": 1}
    assert attempts_sent(system) == [2]


def test_a_dispatch_whose_outcome_cannot_be_stored_is_still_a_202_and_the_job_ends(system: System) -> None:
    with system.watch.failing("write") as fault:
        job = system.submit().json
    assert fault.refused == [job["id"]]
    assert job["phase"] == "accepted"

    file_stands(system)
    webhook(system, job, result(job))
    assert system.read(job["id"]).json["status"] == "succeeded"


def test_one_job_that_always_fails_does_not_stop_the_next(system: System) -> None:
    system.salad.answers.extend([Answer(429, b""), Answer(429, b"")])
    bad, good = system.submit().json, system.submit().json
    system.move_clock(20)
    with system.watch.failing("write", bad["id"]) as fault:
        assert system.tick().json["done"] == {"failed": 1, "dispatched": 1}
        assert fault.refused == [bad["id"]]
        assert system.read(good["id"]).json["phase"] == "dispatched"
        assert system.tick().json["lease"] == "held", "the lease was given back"


def test_a_webhook_that_meets_a_dead_store_is_a_503_and_works_when_it_is_sent_again(system: System) -> None:
    job = system.submit().json
    file_stands(system)
    with system.watch.failing("write"):
        assert webhook(system, job, result(job)).status == 503

    assert webhook(system, job, result(job)).status == 204
    assert system.read(job["id"]).json["status"] == "succeeded"


def test_a_claim_whose_request_died_before_the_check_is_verified_by_the_tick(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = system.submit().json
    with monkeypatch.context() as died:
        died.setattr("avatar_jobs.services.outcome.verifier.Verifier.verify", lambda self, claimed: None)
        webhook(system, job, result(job))
    file_stands(system, size=1)

    system.move_clock(16)
    assert system.tick().json["done"] == {"verified": 1}
    assert system.read(job["id"]).json["attempt"] == 2, "the file is there, but not with the reported size"


def test_a_callback_without_an_answer_is_kept_for_the_tick(system: System) -> None:
    job = system.submit(system.body(webhook_url="http://127.0.0.1:9/nobody")).json
    file_stands(system)
    webhook(system, job, result(job))

    told = system.read(job["id"]).json["webhook"]
    assert (told["state"], told["attempts"], told["last_status"]) == ("retrying", 1, None)
    assert told["next_attempt_at"] is not None


def test_a_callback_to_a_name_that_resolves_to_a_private_address_never_connects(
    system: System, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", ("10.0.0.1", port))]

    job = system.submit(system.body(webhook_url="https://rebinding.example/done")).json
    monkeypatch.setattr("socket.getaddrinfo", resolve)
    webhook(system, job, result(job, status="error", output=None, error={"code": "media_corrupt", "message": "m"}))

    assert asked == ["rebinding.example"]
    assert len(events(capsys.readouterr().out, "callback_url_refused")) == 1
    assert system.read(job["id"]).json["webhook"]["state"] == "retrying"
