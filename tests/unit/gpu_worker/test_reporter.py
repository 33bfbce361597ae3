"""The reports: order and fields, cancellation, and failing reports that never cost a video."""

import io
import json
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from gpu_worker.adapters.event_log import EventLog
from gpu_worker.domain.control import RunControl, StopReason
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.domain.progress import Phase, RunProgress
from gpu_worker.ports import ReportFault, SendReport
from gpu_worker.run.reporter import QUEUE_LENGTH, Reporter
from gpu_worker.wire import ReportAnswer, read_report_answer
from tests.support.waiting import eventually

GO_ON = ReportAnswer(cancel=False, remaining_sec=None)


class FakeSender:
    """Records reports and answers from a list, whose last answer repeats."""

    def __init__(self, *answers: ReportAnswer | ReportFault) -> None:
        self.answers = list(answers) or [GO_ON]
        self.reports: list[dict[str, Any]] = []

    def __call__(self, report: dict[str, Any]) -> ReportAnswer:
        self.reports.append(report)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Rig:
    """A reporter on a fake sender."""

    def __init__(self, sender: SendReport, beat_sec: float = 60.0) -> None:
        self.stream = io.StringIO()
        log = EventLog(self.stream, lambda: datetime.now(UTC))
        self.progress = RunProgress(time.monotonic)
        self.control = RunControl(time.monotonic, 600)
        self.reporter = Reporter(sender, 3, "run-1", self.progress, self.control, log, beat_sec=beat_sec)
        self.progress.on_phase = self.reporter.report_phase
        self.reporter.start()
        self.reporter.report_phase()

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.stream.getvalue().splitlines()]


def test_each_phase_is_reported_in_order_and_the_last_report_says_so() -> None:
    sender = FakeSender()
    rig = Rig(sender)
    for phase in (Phase.DOWNLOADING, Phase.UPLOADING):
        rig.progress.enter(phase)
        rig.reporter.settle(5)
    rig.reporter.finish(None)
    assert [report["phase"] for report in sender.reports] == ["starting", "downloading", "uploading", "uploading"]
    assert [report["seq"] for report in sender.reports] == [1, 2, 3, 4]
    assert [report["finished"] for report in sender.reports] == [False, False, False, True]
    fields = {"schema_version", "attempt", "run_id", "seq", "phase", "progress", "stage_times", "error", "finished"}
    assert set(sender.reports[0]) == fields
    assert (sender.reports[0]["attempt"], sender.reports[0]["run_id"]) == (3, "run-1")


def test_a_failure_is_reported_with_its_reason() -> None:
    sender = FakeSender()
    rig = Rig(sender)
    rig.reporter.settle(5)
    rig.reporter.finish(JobError(ErrorCode.UPLOAD_FAILED, "down", stage="uploading"))
    last = sender.reports[-1]
    assert last["finished"] is True
    assert last["error"] == {"code": "upload_failed", "message": "down", "stage": "uploading", "retryable": True}


def test_a_silent_run_still_reports_at_each_beat() -> None:
    sender = FakeSender()
    rig = Rig(sender, beat_sec=0.01)
    eventually(lambda: len(sender.reports) >= 4)
    rig.reporter.finish(None)
    assert len(sender.reports) >= 5


def test_cancel_stops_the_run() -> None:
    rig = Rig(FakeSender(ReportAnswer(cancel=True, remaining_sec=100)))
    rig.reporter.settle(5)
    assert rig.control.stop_reason() is StopReason.SUPERSEDED
    rig.reporter.close()


def test_remaining_seconds_set_the_deadline() -> None:
    rig = Rig(FakeSender(ReportAnswer(cancel=False, remaining_sec=30)))
    rig.reporter.settle(5)
    assert 20 < rig.control.remaining_sec() <= 30
    rig.reporter.close()


def test_reports_that_never_arrive_are_counted_and_the_run_goes_on() -> None:
    rig = Rig(FakeSender(ReportFault("503")))
    rig.reporter.finish(None)
    assert rig.control.stop_reason() is None
    assert rig.reporter.faults >= 3
    assert set(rig.events()) == {"report_not_delivered"}


def test_the_last_report_is_tried_again() -> None:
    sender = FakeSender(GO_ON, ReportFault("cut"), ReportFault("cut"), GO_ON)
    rig = Rig(sender)
    rig.reporter.settle(5)
    rig.reporter.finish(None)
    assert [report["finished"] for report in sender.reports] == [False, True, True, True]
    assert len({report["seq"] for report in sender.reports[1:]}) == 1


def test_a_stuck_receiver_cannot_pile_up_reports_or_block_the_run() -> None:
    release = threading.Event()

    def stuck(report: dict[str, Any]) -> ReportAnswer:
        release.wait(30)
        raise ReportFault("late")

    rig = Rig(stuck)
    for _ in range(QUEUE_LENGTH + 5):
        rig.progress.enter(Phase.GENERATING)
    assert rig.reporter.faults >= 1
    release.set()
    rig.reporter.close()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"cancel": "yes"}', b"\xff"])
def test_an_answer_that_makes_no_sense_is_a_fault(body: bytes) -> None:
    with pytest.raises(ValueError, match="the answer to the report"):
        read_report_answer(body)


@pytest.mark.parametrize("seconds", ["null", "true", '"9"', "NaN", "Infinity", "1" * 400])
def test_malformed_seconds_are_ignored_and_the_rest_counts(seconds: str) -> None:
    answer = read_report_answer(f'{{"cancel": true, "remaining_seconds": {seconds}}}'.encode())
    assert answer == ReportAnswer(cancel=True, remaining_sec=None)


def test_seconds_are_read() -> None:
    assert read_report_answer(b'{"cancel": false, "remaining_seconds": -3}') == ReportAnswer(False, -3.0)
