"""What the tick repairs: silent runs, deadlines, lost answers, faults of Salad, superseded attempts, retention."""

import json
from typing import Any

import pytest

from avatar_jobs.domain.job.model import RETENTION_SEC, Timer
from tests.support.events import events
from tests.support.fake_salad import SALAD_JOB_ID, problem
from tests.support.salad_side import attempts_sent, file_stands, report, result, webhook
from tests.support.scripted_server import Answer
from tests.support.system import System


def running(system: System, **changes: Any) -> dict[str, Any]:
    """A job whose worker reported once and whom Salad calls running."""
    job = system.submit(system.body(**changes)).json
    report(system, job)
    system.salad.set_job("running", job_id=job["id"], attempt=1)
    return dict(job)


def test_a_lost_webhook_delays_the_job_by_a_minute(system: System) -> None:
    job = running(system, webhook_url=f"{system.app.url}/done")
    file_stands(system)
    system.salad.set_job("succeeded", result(job), job_id=job["id"], attempt=1)

    system.move_clock(61)
    assert system.tick().json["done"] == {"silence": 1}
    assert system.read(job["id"]).json["status"] == "succeeded"
    assert len(system.app.received) == 1


def test_an_output_that_nests_too_deep_costs_its_own_attempt_and_no_other_job(system: System) -> None:
    poisoned = running(system)
    system.move_clock(58)
    system.salad.answers.append(problem(429))
    healthy = system.submit().json  # its timer is due after that of the other
    del system.salad.jobs[SALAD_JOB_ID]
    deep = b"[" * 50_000 + b"]" * 50_000
    system.salad.looks = Answer(200, b'{"id": "x", "status": "succeeded", "output": ' + deep + b"}")

    system.move_clock(20)
    assert system.tick().status == 200
    assert system.read(poisoned["id"]).json["attempt"] == 2
    assert system.read(healthy["id"]).json["phase"] == "dispatched"


def test_a_silent_run_that_salad_requeued_waits(system: System) -> None:
    job = running(system)
    system.salad.set_job("pending", job_id=job["id"], attempt=1)
    system.move_clock(61)
    system.tick()

    waiting = system.read(job["id"]).json
    assert (waiting["status"], waiting["phase"], waiting["attempt"]) == ("running", "requeued", 1)
    report(system, job, run_id="run-2")
    assert system.read(job["id"]).json["phase"] == "starting"


def test_a_silent_run_that_salad_calls_running_gets_another_attempt(system: System) -> None:
    job = running(system)
    system.move_clock(61)
    system.tick()
    system.tick()
    assert attempts_sent(system) == [1, 2]
    assert report(system, job, seq=5).json["cancel"] is True, "the old run is told to stop if it comes back"


def test_a_job_that_salad_lost_gets_another_attempt(system: System) -> None:
    job = running(system)
    system.salad.jobs.clear()
    system.move_clock(61)
    system.tick()
    assert system.read(job["id"]).json["attempt"] == 2


@pytest.mark.parametrize("answer", [problem(401), problem(403), problem(429), problem(500), Answer(200, b"<html>")])
def test_a_fault_of_the_system_uses_up_no_attempt_and_raises_an_alarm(
    system: System, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    job = running(system)
    system.salad.jobs.clear()
    system.salad.looks = answer
    for _ in range(3):
        system.move_clock(61)
        assert system.tick().json["done"] == {"waits_for_salad": 1}

    still = system.read(job["id"]).json
    assert (still["status"], still["attempt"]) == ("running", 1)
    assert len(events(capsys.readouterr().out, "salad_look_failed", severity="ERROR")) == 3


def test_a_missing_queue_fails_no_jobs(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    job = running(system)
    system.salad.jobs.clear()
    system.salad.queue = problem(404)
    system.move_clock(61)
    system.tick()

    assert system.read(job["id"]).json["attempt"] == 1
    assert system.salad.looked() == []
    assert len(events(capsys.readouterr().out, "salad_not_observed")) == 1


def test_at_the_run_deadline_salad_is_asked_first_and_a_success_counts(system: System) -> None:
    job = running(system, run_timeout_seconds=30)
    file_stands(system)
    system.salad.set_job("succeeded", result(job), job_id=job["id"], attempt=1)
    system.move_clock(31)
    system.tick()
    assert system.read(job["id"]).json["status"] == "succeeded"


@pytest.mark.parametrize("status", ["superseded", "a word of a later release", "failed", "cancelled", "pending", "404"])
@pytest.mark.parametrize("copies", [1, 2])
def test_a_deadline_acts_whatever_salad_says_of_the_attempt(system: System, status: str, copies: int) -> None:
    """copies: how often the attempt was sent; of two, the run of one may have replaced that of the other."""
    system.salad.answers.extend([problem(429)] * (copies - 1))
    job = system.submit(system.body(run_timeout_seconds=30)).json
    system.move_clock(20)
    system.tick()
    report(system, job)
    system.move_clock(20)
    report(system, job, run_id="run-2")
    if status == "superseded":
        system.salad.set_job("succeeded", result(job, status=status), job_id=job["id"], attempt=1)
    elif status == "404":
        system.salad.jobs.clear()
    else:
        system.salad.set_job(status, job_id=job["id"], attempt=1)
    system.move_clock(11)
    system.tick()
    assert system.read(job["id"]).json["status"] == "failed"


def test_at_the_start_deadline_a_waiting_job_fails_and_is_taken_out_of_the_queue(system: System) -> None:
    job = system.submit(system.body(start_timeout_seconds=100)).json
    system.move_clock(101)
    system.tick()
    assert system.read(job["id"]).json["error"]["code"] == "queue_timeout"
    system.move_clock(61)
    assert system.tick().json["done"] == {"cleanup": 1}
    assert system.salad.looked("DELETE") == [SALAD_JOB_ID]


def test_a_run_whose_reports_all_failed_is_found_at_the_start_deadline(system: System) -> None:
    job = system.submit(system.body(start_timeout_seconds=100)).json
    system.salad.set_job("running", job_id=job["id"], attempt=1)
    system.move_clock(101)
    system.tick()
    started = system.read(job["id"]).json
    assert started["status"] == "running"
    file_stands(system)
    webhook(system, job, result(job))
    assert system.read(job["id"]).json["status"] == "succeeded"


def test_a_salad_that_is_down_delays_the_end_by_one_tick(system: System) -> None:
    job = system.submit(system.body(start_timeout_seconds=100)).json
    system.salad.jobs.clear()
    system.salad.looks = problem(500)
    system.move_clock(101)
    system.tick()
    assert system.read(job["id"]).json["status"] == "queued"
    system.move_clock(60)
    system.tick()
    assert system.read(job["id"]).json["error"]["code"] == "queue_timeout"


def test_one_search_of_five_pages_serves_all_lost_answers(system: System) -> None:
    system.salad.answers.extend([Answer(cut=True)] * 3)
    jobs = [system.submit().json for _ in range(3)]
    found = [{"id": "found-at-salad", "status": "pending", "metadata": {"job_id": jobs[1]["id"], "attempt": 1}}]
    full = found + [{"id": f"x{n}", "status": "pending", "metadata": {}} for n in range(99)]
    system.salad.listed = Answer(200, json.dumps({"items": full}).encode())

    system.move_clock(61)
    assert system.tick().json["done"] == {"dispatch_looked_for": 3}

    pages = [call.path for call in system.salad.received if "/jobs/jobs?" in call.path]
    assert len(pages) == 5
    assert system.read(jobs[1]["id"]).json["phase"] == "dispatched"
    assert [system.read(job["id"]).json["attempt"] for job in jobs] == [2, 1, 2]


def test_a_search_that_salad_refuses_loses_no_dispatch(system: System) -> None:
    system.salad.answers.append(Answer(cut=True))
    job = system.submit().json
    system.salad.listed = problem(500)
    system.move_clock(61)
    system.tick()
    assert system.read(job["id"]).json["attempt"] == 1
    system.salad.listed = None
    system.move_clock(61)
    system.tick()
    assert system.read(job["id"]).json["attempt"] == 2


@pytest.mark.parametrize("bad", [problem(500), Answer(200, b"<html>"), Answer(200, b"[]")])
def test_a_page_that_cannot_be_read_is_a_miss_and_what_other_pages_have_counts(system: System, bad: Answer) -> None:
    system.salad.answers.extend([Answer(cut=True)] * 2)
    jobs = [system.submit().json for _ in range(2)]
    full = [{"id": f"x{n}", "status": "pending", "metadata": {}} for n in range(100)]
    first = {"id": "found-at-salad", "status": "pending", "metadata": {"job_id": jobs[0]["id"], "attempt": 1}}
    system.salad.pages = {
        1: Answer(200, json.dumps({"items": [*full[1:], first]}).encode()),
        2: bad,
        3: Answer(200, json.dumps({"items": []}).encode()),
    }
    system.move_clock(61)
    assert system.tick().json["done"] == {"dispatch_looked_for": 2}
    assert [system.read(job["id"]).json["attempt"] for job in jobs] == [1, 2]
    assert system.read(jobs[0]["id"]).json["phase"] == "dispatched"


def test_a_burst_that_uses_up_the_share_leaves_the_scan_its_own_calls(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avatar_jobs.services.tick.ticker.TICK_CALLS_A_MINUTE", 1)
    system.salad.answers.append(Answer(cut=True))
    lost = system.submit().json
    system.salad.answers.extend([problem(429)] * 3)
    for _ in range(3):
        system.submit()
    system.move_clock(61)
    assert system.tick().json["done"] == {"dispatch_looked_for": 1, "left_for_the_next_tick": 3}
    assert system.read(lost["id"]).json["attempt"] == 2


def test_a_superseded_attempt_is_watched_until_salad_is_done_with_it(system: System) -> None:
    job = running(system)
    system.move_clock(61)
    system.tick()  # silent: a second attempt
    file_stands(system)
    system.salad.set_job("pending", salad_job_id="second", job_id=job["id"], attempt=2)
    system.salad.answers.append(Answer(201, b'{"id": "second"}'))
    system.tick()
    second = {**job, "attempt": 2}
    webhook(system, second, result(second), id="second")
    assert system.read(job["id"]).json["status"] == "succeeded"

    system.move_clock(61)
    assert system.tick().json["done"] == {"cleanup": 1}
    assert system.salad.looked()[-1] == SALAD_JOB_ID
    system.salad.set_job("failed", job_id=job["id"], attempt=1)
    system.move_clock(121)
    assert system.tick().json["done"] == {"cleanup": 1}
    system.move_clock(121)
    assert system.tick().json["done"] == {}, "no timer is due when no attempt uses GPU time"


def a_lost_answer(system: System, **changes: Any) -> dict[str, Any]:
    """A job that Salad took without its answer having arrived."""
    system.salad.answers.append(Answer(cut=True))
    job = system.submit(system.body(**changes)).json
    system.salad.set_job("pending", salad_job_id="unheard-of", job_id=job["id"], attempt=1)
    return dict(job)


def test_a_lost_answer_and_then_a_lost_webhook_cost_a_minute_of_silence(system: System) -> None:
    job = a_lost_answer(system)
    report(system, job)
    file_stands(system)
    system.salad.set_job("succeeded", result(job), salad_job_id="unheard-of", job_id=job["id"], attempt=1)

    system.move_clock(61)
    system.tick()
    assert system.read(job["id"]).json["status"] == "succeeded"
    system.move_clock(61)
    assert system.tick().json["done"] == {}, "nothing of it is left at Salad"


@pytest.mark.parametrize("status", ["running", "failed", None])
def test_a_silent_run_whose_salad_id_is_unknown_gets_another_attempt(system: System, status: str | None) -> None:
    job = a_lost_answer(system)
    report(system, job)
    system.salad.jobs.clear()
    if status:
        system.salad.set_job(status, salad_job_id="unheard-of", job_id=job["id"], attempt=1)
    system.move_clock(61)
    system.tick()
    assert (system.read(job["id"]).json["attempt"], attempts_sent(system)) == (2, [1])


def test_a_silent_run_whose_salad_id_is_unknown_waits_while_salad_has_it_pending(system: System) -> None:
    job = a_lost_answer(system)
    report(system, job)
    system.move_clock(61)
    system.tick()
    waiting = system.read(job["id"]).json
    assert (waiting["phase"], waiting["attempt"]) == ("requeued", 1)


def test_a_failure_whose_webhook_is_lost_is_noticed_within_minutes(system: System) -> None:
    """Nobody reported, so nobody fell silent: the job would wait for its start deadline with two attempts unused."""
    job = system.submit().json
    system.salad.set_job("failed", job_id=job["id"], attempt=1)
    system.move_clock(301)
    system.tick()
    assert system.read(job["id"]).json["attempt"] == 2


def test_salad_is_asked_less_and_less_often_about_jobs_that_just_wait(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avatar_jobs.services.tick.housekeeper.QUIET_LOOKS", 2)
    for number in range(3):
        system.salad.answers.append(Answer(201, f'{{"id": "s{number}"}}'.encode()))
        job = system.submit().json
        system.salad.set_job("pending", salad_job_id=f"s{number}", job_id=job["id"], attempt=1)
    looks = []
    for _ in range(50):  # minutes
        system.move_clock(60)
        before = len(system.salad.looked())
        system.tick()
        looks.append(len(system.salad.looked()) - before)
    assert max(looks) == 2, "they must not use up the calls of others"
    assert sum(looks) <= 3 * 4, "at 5, 10, 20 and 40 minutes, or not at all"
    assert looks[:4] == [0] * 4
    assert looks[4:12] != [0] * 8


def test_what_is_found_at_salad_after_the_end_is_taken_out_of_the_queue(system: System) -> None:
    job = a_lost_answer(system, start_timeout_seconds=45)
    system.salad.listed = problem(500)
    system.move_clock(46)
    system.tick()
    assert system.read(job["id"]).json["status"] == "failed"
    system.salad.listed = None
    for _ in range(5):
        system.move_clock(130)
        system.tick()
    assert system.salad.jobs["unheard-of"]["status"] == "cancelled"
    stored = system.store().get(job["id"])
    assert stored is not None
    assert set(stored.job.timers) == {Timer.PURGE}


def test_a_search_after_the_end_stops_when_salad_has_shown_everything_or_the_credentials_have_expired(
    system: System,
) -> None:
    job = a_lost_answer(system, start_timeout_seconds=45, run_timeout_seconds=60)
    system.salad.jobs.clear()
    full = [{"id": f"x{n}", "status": "pending", "metadata": {}} for n in range(100)]
    system.salad.listed = Answer(200, json.dumps({"items": full}).encode())
    system.move_clock(46)
    system.tick()
    pages = []
    for _ in range(24):
        system.move_clock(60)
        before = len(system.salad.received)
        system.tick()
        pages.append(sum("/jobs/jobs?" in call.path for call in system.salad.received[before:]))
    stored = system.store().get(job["id"])
    assert stored is not None
    assert set(stored.job.timers) == {Timer.PURGE}
    minutes = [minute for minute, asked in enumerate(pages, 1) if asked]
    assert (minutes[:2], max(pages)) == ([1, 3], 5)
    assert (len(minutes) <= 5, minutes[-1] <= 17) == (True, True), "each time after twice the time, then no more"


def test_after_the_retention_file_and_record_are_removed(system: System) -> None:
    job = system.submit(headers={"Idempotency-Key": "k"}).json
    file_stands(system)
    webhook(system, job, result(job))
    system.move_clock(RETENTION_SEC - 10)
    assert system.read(job["id"]).json["output_url"] is not None
    system.move_clock(11)
    expired = system.read(job["id"]).json
    assert (expired["status"], expired["output_url"]) == ("succeeded", None)

    system.bucket.default = Answer(500, b"")
    assert system.tick().json["done"] == {"failed": 1}
    assert system.read(job["id"]).status == 200, "the record stays while the file may stand"
    system.bucket.default = Answer(404, b"")
    system.move_clock(3601)
    assert system.tick().json["done"] == {"purge": 1}
    assert system.read(job["id"]).status == 404
    assert "Idempotency-Replayed" not in system.submit(headers={"Idempotency-Key": "k"}).headers


def test_a_spent_share_of_calls_leaves_the_rest_to_the_next_tick(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avatar_jobs.services.tick.ticker.TICK_CALLS_A_MINUTE", 3)
    system.salad.answers.extend([Answer(429, b"")] * 4)
    for _ in range(4):
        system.submit()
    system.move_clock(20)
    assert system.tick().json["done"] == {"dispatched": 2, "left_for_the_next_tick": 2}
    assert system.tick().json["done"] == {}, "they do not stand in the way of others"
    system.move_clock(60)
    assert system.tick().json["done"] == {"dispatched": 2}


def test_a_submit_instance_keeps_to_its_share_and_the_tick_sends_the_rest(system: System) -> None:
    system.environment["SUBMIT_MAX_INSTANCES"] = "120"
    first, second = system.submit().json, system.submit().json
    assert (first["phase"], second["phase"]) == ("dispatched", "accepted")
    assert system.tick().json["done"] == {"dispatched": 1}
