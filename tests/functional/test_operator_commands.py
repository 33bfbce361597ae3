"""./ops jobs finds jobs, accepts changes, and the next tick carries them out."""

import json
from pathlib import Path

import pytest

from infra.ops.jobs.reading import PAGE
from tests.support.factories import a_job, later
from tests.support.functions import API_KEY, OTHER_KEY, WEBHOOK_SECRET
from tests.support.operators import QUERY, Command, document, submitted, succeeded
from tests.support.salad_side import report, webhook
from tests.support.scripted_server import Answer
from tests.support.system import System

ROOT = Path(__file__).parents[2]


def test_show_has_what_is_stored_without_url_queries_and_metadata(system: System, jobs: Command) -> None:
    job = submitted(system, metadata={"patient": "Jane Roe"})
    for arguments in (["show", job["id"]], ["show", job["id"], "--json"]):
        code, out, _ = jobs(*arguments)
        assert code == 0
        assert job["id"] in out
        assert "/face.mp4?..." in out
        for hidden in (QUERY, "of-the-app", "Jane Roe"):
            assert hidden not in out
    shown = document(jobs, "show", job["id"])
    assert (shown["status"], shown["attempts"][0]["dispatch"], shown["metadata_keys"]) == ("queued", "sent", 1)
    assert shown["deadline_at"] == shown["timers"]["start_deadline"]
    assert shown["next_action_at"] == shown["timers"]["silence"]


def test_timeline_is_a_table_of_time_event_attempt_and_detail(system: System, jobs: Command) -> None:
    job = succeeded(system)
    code, out, _ = jobs("timeline", job["id"])
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == [job["id"], "studio", "succeeded"]
    assert lines[2] == ["at", "event", "attempt", "detail"]
    assert [line[1] for line in lines[3:]] == [
        "accepted",
        "dispatched",
        "result_claimed",
        "succeeded",
        "callback_delivered",
    ]


def test_find_finds_a_job_by_key_and_by_request_id_and_says_how_many_it_searched(system: System, jobs: Command) -> None:
    headers = {"Idempotency-Key": "order-7", "X-Request-Id": "req-of-order-7"}
    wanted = submitted(system, key=OTHER_KEY, headers=headers)
    submitted(system)
    for question in (["--key", "order-7"], ["--request-id", "req-of-order-7"]):
        for place, also in (((), ("API_CLIENTS",)), (("--client", "campaigns"), ())):
            found = document(jobs, "find", *question, *place, also=also)
            assert [line["id"] for line in found["jobs"]] == [wanted["id"]]
    code, _, err = jobs("find", "--key", "order-8", "--client", "campaigns")
    assert (code, err) == (1, "No job has the key 'order-8'. A refused request does not use up its key.\n")
    code, _, err = jobs("find", "--request-id", "req-8", "--client", "campaigns")
    assert (code, err) == (1, "None of the 1 newest jobs has this request id; --look-at N searches more.\n")


def test_find_searches_beyond_the_first_pages(system: System, jobs: Command) -> None:
    store = system.store()
    for number in range(2 * PAGE + 1):
        job = a_job(f"job-{number:08}", now=later(number))
        store.create(job.model_copy(update={"request_id": f"request-{number}"}), None)
    found = document(jobs, "find", "--request-id", "request-0", "--client", "studio")
    assert ([line["id"] for line in found["jobs"]], found["looked_at"]) == (["job-00000000"], 2 * PAGE + 1)
    assert jobs("find", "--request-id", "request-0", "--client", "studio", "--look-at", str(2 * PAGE))[0] == 1


def test_list_is_newest_first_over_all_clients_and_takes_a_status(system: System, jobs: Command) -> None:
    first, second = submitted(system), submitted(system, key=OTHER_KEY)
    system.salad.answers.append(Answer(429, b""))
    third = submitted(system)
    webhook(system, first, {"status": "error"}, status="failed")
    also = ("API_CLIENTS",)
    every = document(jobs, "list", also=also)["jobs"]
    assert [line["id"] for line in every] == [third["id"], second["id"], first["id"]]
    assert [line["dispatch"] for line in every][:2] == ["unsent", "sent"]
    assert [line["id"] for line in document(jobs, "list", "--limit", "1", also=also)["jobs"]] == [third["id"]]
    mine = document(jobs, "list", "--client", "campaigns", "--status", "queued")["jobs"]
    assert [line["id"] for line in mine] == [second["id"]]
    assert document(jobs, "list", "--before", "2026-01-01", "--client", "studio")["jobs"] == []


def test_overdue_names_the_timers_that_are_due(system: System, jobs: Command) -> None:
    system.salad.answers.append(Answer(429, b""))
    job = submitted(system)
    system.move_clock(100)
    assert document(jobs, "overdue")["jobs"] == []
    system.move_clock(100)
    [late] = document(jobs, "overdue")["jobs"]
    assert (late["id"], list(late["timers"])) == (job["id"], ["dispatch"])
    assert 120 < late["overdue_sec"] == late["timers"]["dispatch"] < 200
    assert "dispatch=" in jobs("overdue", "--seconds", "60")[1]
    system.tick()
    assert jobs("overdue", "--seconds", "0")[1] == "nothing is overdue\n"


def test_health_has_the_age_of_the_last_tick_the_queue_and_what_is_overdue(system: System, jobs: Command) -> None:
    system.tick()
    submitted(system)
    system.move_clock(4000)
    seen = document(jobs, "health")
    assert 4000 <= seen["last_tick_age_seconds"] < 4100
    assert (seen["jobs"]["queued"], seen["overdue_jobs"], seen["queue_length"]) == (1, "1", 3)
    assert "queued=1" in jobs("health")[1]


def test_a_requeued_job_is_sent_by_the_next_tick_as_its_next_attempt(system: System, jobs: Command) -> None:
    job = submitted(system)
    report(system, job)
    system.move_clock(61)
    [change] = document(jobs, "requeue", job["id"], "--yes")["changes"]
    assert change == {"id": job["id"], "done": True, "detail": "The next tick sends attempt 2."}
    assert system.read(job["id"]).json["phase"] == "requeued"
    system.tick()
    assert [json.loads(call.body)["metadata"]["attempt"] for call in system.salad.sent] == [1, 2]


def test_a_requeue_that_is_not_possible_changes_nothing_and_says_why(system: System, jobs: Command) -> None:
    done, working = succeeded(system), submitted(system)
    report(system, working)
    before = system.store().get(working["id"])
    code, out, _ = jobs("requeue", done["id"], working["id"], "no-such-job", "--yes")
    assert code == 1
    assert "never changes again" in out
    assert "sign of life" in out
    assert "There is no job" in out
    assert system.store().get(working["id"]) == before


def test_cancel_does_what_the_apps_cancel_does_and_the_next_tick_calls_back(system: System, jobs: Command) -> None:
    system.salad.answers.append(Answer(429, b"", {"Retry-After": "300"}))
    job = submitted(system)
    [change] = document(jobs, "cancel", job["id"], "--yes")["changes"]
    assert change["detail"] == "It is cancelled."
    assert system.app.received == [], "the command sends no callback"
    system.move_clock(31)
    system.tick()
    assert json.loads(system.app.received[-1].body)["type"] == "avatar.job.cancelled"
    assert jobs("cancel", job["id"], "--yes")[0] == 0, "also when repeated"
    done = succeeded(system)
    code, out, _ = jobs("cancel", done["id"], "--yes")
    assert code == 1
    assert "already succeeded" in out


def test_cancelling_a_job_at_salad_is_a_request_and_does_not_change_its_status(system: System, jobs: Command) -> None:
    job = submitted(system)
    assert "requested" in document(jobs, "cancel", job["id"], "--yes")["changes"][0]["detail"]
    assert system.read(job["id"]).json["status"] == "queued"
    assert system.read(job["id"]).json["cancel_requested_at"] is not None


def test_a_redelivered_callback_is_sent_by_the_next_tick_under_its_old_id(system: System, jobs: Command) -> None:
    job = succeeded(system)
    assert document(jobs, "redeliver", job["id"], "--yes")["changes"][0]["done"]
    assert system.read(job["id"]).json["webhook"]["state"] == "retrying"
    system.tick()
    first, second = (call.headers for call in system.app.received)
    assert first["webhook-id"] == second["webhook-id"]
    again = system.read(job["id"]).json["webhook"]
    assert (again["state"], again["attempts"]) == ("delivered", 2)
    assert jobs("redeliver", submitted(system)["id"], "--yes")[0] == 1


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_nothing_changes_before_a_yes(system: System, jobs: Command, answer: str, code: int) -> None:
    job = succeeded(system)
    given, _, err = jobs("redeliver", job["id"], answer=answer)
    assert given == code
    assert f"redeliver {job['id']}? [y/N]" in err
    expected = "retrying" if code == 0 else "delivered"
    assert system.read(job["id"]).json["webhook"]["state"] == expected


def test_no_answer_has_a_secret_of_the_settings_or_control_characters(system: System, jobs: Command) -> None:
    job = succeeded(system)
    other = submitted(system)
    error = {"code": "gpu_fault", "message": f"\x1b[2J see https://u:p@h/x?{QUERY}", "stage": "s", "retryable": True}
    assert report(system, other, error=error).status == 200
    also = tuple(system.environment.keys() - {"STORE", "SQLITE_PATH"})
    secrets = [API_KEY, OTHER_KEY, WEBHOOK_SECRET, QUERY, "u:p@", "\x1b"]
    secrets += [system.environment[name] for name in ("B2_APP_KEY", "SALAD_API_KEY", "REPORT_TOKEN_SECRETS")]
    for command in (["show", other["id"]], ["show", job["id"]], ["timeline", other["id"]], ["list"], ["overdue"]):
        for form in ([], ["--json"]):
            _, out, err = jobs(*command, *form, also=also)
            assert [secret for secret in secrets if secret in out + err] == []


def test_wrong_settings_and_calls_exit_with_2_and_an_unavailable_store_with_1(
    system: System, jobs: Command, tmp_path: Path
) -> None:
    submitted(system)
    code, _, err = jobs("list")
    assert (code, err) == (2, "the settings are wrong: API_CLIENTS is missing\n")
    system.environment["SQLITE_PATH"] = str(tmp_path / "nowhere.sqlite")
    assert jobs("health")[0] == 2
    assert not (tmp_path / "nowhere.sqlite").exists()
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"this is no database" * 100)
    system.environment["SQLITE_PATH"] = str(broken)
    code, out, _ = jobs("show", "job-00000001", "--json")
    assert code == 1
    assert json.loads(out)["error"].startswith("the store failed")
    for wrong in (["show"], ["list", "--limit", "-1"], ["list", "--after", "noon"], ["find"], ["nonsense"]):
        with pytest.raises(SystemExit) as ended:
            jobs(*wrong)
        assert ended.value.code == 2
