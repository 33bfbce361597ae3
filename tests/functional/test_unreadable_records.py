"""Records that cannot be read, as apps and operators meet them: nobody else's job waits, and each is shown."""

import json
from typing import Any

import pytest

from avatar_jobs.domain.job.model import Job
from tests.support.events import events
from tests.support.functions import API_KEY, OTHER_KEY
from tests.support.operators import Command, document
from tests.support.salad_side import report
from tests.support.stores import Place, body_of, overwrite
from tests.support.system import System


def place(system: System) -> Place:
    """Where the system's jobs are."""
    return ("sqlite", system.environment["SQLITE_PATH"])


def damaged(system: System, **changes: Any) -> str:
    """The id of a job of which a later release has stored something that this one does not know."""
    job_id: str = system.submit().json["id"]
    overwrite(place(system), job_id, body_of(stored(system, job_id), **(changes or {"status": "dreaming"})))
    return job_id


def stored(system: System, job_id: str) -> Job:
    """The job as it is stored."""
    found = system.store().get(job_id)
    assert found
    return found.job


def call(system: System, method: str, path: str, function: str = "job_status", key: str = API_KEY) -> Any:
    """A call of an app."""
    return system.function(function).call(method, path, headers={"X-Internal-API-Key": key})


def test_its_own_client_gets_a_500_with_the_id_in_the_log_and_others_a_404(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = damaged(system)
    for method in ("GET", "DELETE"):
        reply = call(system, method, f"/v1/avatar/jobs/{job_id}")
        assert (reply.status, reply.json["code"], reply.headers["Retry-After"]) == (500, "internal", "5")
        [told] = events(capsys.readouterr().out, "record_not_served")
        assert (told["job_id"], told["reason"], told["request_id"]) == (
            job_id,
            "status: enum",
            reply.json["request_id"],
        )
        assert call(system, method, f"/v1/avatar/jobs/{job_id}", key=OTHER_KEY).status == 404
    assert report(system, {"id": job_id, "attempt": 1}).status == 500


def test_lists_and_health_go_on_without_it(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    first, broken, last = system.submit().json["id"], damaged(system), system.submit().json["id"]
    listed = call(system, "GET", "/v1/avatar/jobs?page_size=1", "submit_job").json
    assert [job["id"] for job in listed["jobs"]] == [last]
    rest = call(system, "GET", f"/v1/avatar/jobs?page_size=1&page_token={listed['next_page_token']}", "submit_job").json
    assert ([job["id"] for job in rest["jobs"]], rest["next_page_token"]) == ([first], None)
    assert {one["job_id"] for one in events(capsys.readouterr().out, "record_left_out")} == {broken}
    assert call(system, "GET", "/v1/avatar/health").json["jobs"]["queued"] == 3


def test_more_of_them_than_a_tick_reads_hold_up_no_other_job(
    system: System, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avatar_jobs.services.tick.due_work.DUE_LIMIT", 5)
    broken = {damaged(system) for _ in range(7)}
    good = system.submit(system.body(start_timeout_seconds=10)).json["id"]
    system.move_clock(3700)
    capsys.readouterr()

    system.tick()

    assert system.read(good).json["error"]["code"] == "queue_timeout"
    alarms = events(capsys.readouterr().out, "record_unreadable")
    assert {one["job_id"] for one in alarms} == broken
    assert len(alarms) == len(broken), "one alarm for each"
    system.tick()
    assert events(capsys.readouterr().out, "record_unreadable") == [], "their pause is not over"


def test_the_operator_sees_them_and_what_is_wrong(system: System, jobs: Command) -> None:
    job_id = damaged(system, schema_version=6)
    assert jobs("unreadable")[1] == "every record that was put aside can be read\n"
    system.move_clock(3700)
    system.tick()
    [shown] = document(jobs, "unreadable")["jobs"]
    assert (shown["id"], shown["client"], shown["status"], shown["times"]) == (job_id, "studio", "queued", 1)
    assert shown["reason"] == "it has schema version 6, this release reads 0 and 1"
    assert shown["put_aside_at"] < shown["next_try_at"]
    assert job_id in jobs("unreadable", "--limit", "1")[1]
    for command in (["show", job_id], ["timeline", job_id], ["cancel", job_id, "--yes"]):
        code, out, _ = jobs(*command, "--json")
        assert code == 1
        assert "schema version 6" in json.dumps(json.loads(out))
    assert jobs("overdue")[1] == "nothing is overdue\n"
    assert jobs("health")[0] == 0
