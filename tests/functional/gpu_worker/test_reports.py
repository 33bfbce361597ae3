"""Reports and their answers during a real run: order, cancellation, time, and reports that fail."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.gpu_worker.rig import Clips, Rig, Site
from tests.support.events import events
from tests.support.waiting import within

PHASES = ["starting", "downloading", "preparing", "generating", "encoding", "uploading", "verifying"]
CANCEL = {"cancel": True, "remaining_seconds": 100}


def cancel_at(phase: str) -> Callable[[dict[str, Any]], Any]:
    """Answers cancel to the reports of one phase."""
    return lambda report: CANCEL if report["phase"] == phase else {"cancel": False, "remaining_seconds": 100}


def hang(site: Site) -> Any:
    """A source that accepts and never answers."""
    return lambda handler: site.closing.wait(60)


def test_phases_are_reported_in_order_with_the_token(rig: Rig, site: Site) -> None:
    rig.run()
    seen = list(dict.fromkeys(report["phase"] for report in site.reports))
    assert seen == PHASES
    assert [report["seq"] for report in site.reports] == list(range(1, len(site.reports) + 1))
    assert {headers["Authorization"] for headers in site.report_headers} == {"Bearer token-secret"}
    assert {(report["attempt"], report["run_id"], report["error"]) for report in site.reports} == {(1, "run-1", None)}
    progress = [report["progress"] for report in site.reports]
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0.0, 1.0)
    assert [report["finished"] for report in site.reports] == [False] * (len(site.reports) - 1) + [True]


def test_starting_is_reported_before_the_download_and_uploading_before_the_upload(rig: Rig, site: Site) -> None:
    rig.storage.on_put = lambda file: site.log.append("put")
    rig.run()
    assert site.log[0] == "report starting"
    assert site.log.index("report uploading") < site.log.index("put")


def test_a_run_that_is_cancelled_at_its_start_fetches_nothing(rig: Rig, site: Site) -> None:
    site.on_report = cancel_at("starting")
    answer = rig.run()
    assert (answer.http_status, answer.body["status"]) == (200, "superseded")
    assert site.log == ["report starting"]


def test_a_run_that_is_superseded_before_its_upload_stores_nothing(rig: Rig, site: Site) -> None:
    site.on_report = cancel_at("uploading")
    assert rig.run().body["status"] == "superseded"
    assert rig.storage.puts == []


def test_cancel_breaks_off_a_download_that_hangs(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = hang(site)
    site.on_report = cancel_at("downloading")
    with within(4):
        assert rig.run().body["status"] == "superseded"


def test_a_run_out_of_time_answers_200_run_timeout_and_says_so_first(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = hang(site)
    site.on_report = lambda report: {"cancel": False, "remaining_seconds": 0.5}
    answer = rig.run()
    assert (answer.http_status, answer.body["error"]["code"]) == (200, "run_timeout")
    assert answer.body["error"]["retryable"] is False
    assert site.reports[-1]["error"]["code"] == "run_timeout"


def test_the_workers_own_clock_ends_a_run_without_any_answer(rig: Rig, site: Site) -> None:
    site.files["/face.mp4"] = hang(site)
    answer = rig.run(run_timeout_seconds=0.5, report_url=None)
    assert answer.body["error"]["code"] == "run_timeout"


def test_cancel_kills_the_tool_that_works(rig: Rig, site: Site, clips: Clips) -> None:
    site.on_report = lambda report: {"cancel": report["phase"] == "generating", "remaining_seconds": 100}
    answer = rig.run(resolution="1080p", aspect_ratio="16:9")
    assert answer.body["status"] == "superseded"
    assert site.reports[-1]["phase"] in ("generating", "encoding")
    assert rig.storage.puts == []


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_video_is_made_although_reports_are_refused(rig: Rig, site: Site, status: int) -> None:
    site.on_report = lambda report: status
    assert rig.run().body["status"] == "ok"
    assert events(rig.stream.getvalue(), "report_not_delivered")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/reports", "http://169.254.169.254/reports", "nonsense"])
def test_a_video_is_made_although_the_report_url_leads_nowhere(rig: Rig, site: Site, url: str) -> None:
    assert rig.run(report_url=url).body["status"] == "ok"
    assert site.reports == []


def test_a_video_is_made_although_the_report_receiver_hangs(rig: Rig, site: Site) -> None:
    release = threading.Event()

    def slow(_report: dict[str, Any]) -> Any:
        release.wait(30)
        return {"cancel": False, "remaining_seconds": 100}

    site.on_report = slow
    with within(20):
        answer = rig.run()
    release.set()
    assert answer.body["status"] == "ok"
