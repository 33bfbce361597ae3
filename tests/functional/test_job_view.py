"""What a job shows about itself: its output, its runs, its place in the queue, and a link that stays for a while."""

import json
from datetime import timedelta
from typing import Any

from tests.support.functions import PREFIX
from tests.support.presigned import opened
from tests.support.salad_side import file_stands, report, result, webhook
from tests.support.scripted_server import Answer
from tests.support.system import System


def succeeded(system: System, **changes: Any) -> dict[str, Any]:
    """A job that has just succeeded."""
    job = system.submit(system.body(**changes)).json
    file_stands(system)
    webhook(system, job, result(job))
    done: dict[str, Any] = system.read(job["id"]).json
    assert done["status"] == "succeeded"
    return done


def test_a_waiting_job_says_what_is_not_known_yet(system: System) -> None:
    job = system.submit().json
    assert job["queue"] == {"ahead": None, "estimated_start_at": None}
    assert (job["output"], job["runs"], job["priority"], job["erased_at"]) == (None, 0, "normal", None)
    report(system, job)
    running = system.read(job["id"]).json
    assert (running["queue"], running["output"]) == (None, None)


def test_a_finished_job_shows_the_measures_of_its_file(system: System) -> None:
    assert succeeded(system)["output"] == {
        "size_bytes": 123_456, "sha1": "a" * 40, "duration_sec": 2.96,
        "width": 512, "height": 512, "fps": 25.0, "frames": 74,
    }  # fmt: skip


def test_a_claimed_output_is_not_shown_before_it_is_verified(system: System) -> None:
    job = system.submit().json
    system.bucket.default = Answer(503, b"")
    webhook(system, job, result(job))
    waiting = system.read(job["id"]).json
    assert (waiting["phase"], waiting["output"], waiting["output_url"]) == ("verifying", None, None)


def test_runs_are_counted_over_all_attempts(system: System) -> None:
    job = system.submit().json
    for run_id in ("run-1", "run-2", "run-2"):
        report(system, job, run_id=run_id)
    assert system.read(job["id"]).json["runs"] == 2
    webhook(system, job, None, status="failed")
    second = system.read(job["id"]).json
    assert (second["attempt"], second["runs"]) == (2, 2)
    system.tick()
    report(system, second, run_id="run-3")
    assert system.read(job["id"]).json["runs"] == 3


def test_a_run_whose_reports_were_all_lost_is_counted_by_its_result(system: System) -> None:
    assert succeeded(system)["runs"] == 1


def test_the_link_stays_the_same_for_five_minutes_and_is_good_for_an_hour_after_each_answer(system: System) -> None:
    done = succeeded(system, webhook_url=f"{system.app.url}/done")
    secrets = {system.environment["B2_KEY_ID"]: system.environment["B2_APP_KEY"]}
    called_back = json.loads(system.app.received[0].body)["output_url"]
    system.move_clock(299)
    assert system.read(done["id"]).json["output_url"] == done["output_url"] == called_back

    seen = {done["output_url"]}
    for _ in range(31):  # through more than one change, at uneven moments
        system.move_clock(61)
        url = system.read(done["id"]).json["output_url"]
        an_hour_later = system.clock() + timedelta(seconds=3600)
        assert opened(url, secrets, "us-west-004", an_hour_later).key == f"{PREFIX}{done['id']}.mp4"
        seen.add(url)
    assert len(seen) == 4, "36 minutes are four times ten, begun"
