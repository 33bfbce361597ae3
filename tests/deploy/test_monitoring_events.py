"""Metrics extract what the code writes: whole jobs are run, and their log lines are compared with the metrics."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pytest

from infra.tools.package import ROOT
from tests.support.events import events
from tests.support.functions import API_KEY
from tests.support.salad_side import file_stands, report, result, webhook
from tests.support.scaling import GROUPS, group, salad_has
from tests.support.scripted_server import Answer
from tests.support.system import System

METRICS = (ROOT / "infra" / "terraform" / "monitoring-metrics.tf").read_text()
# One metric a line, as the file says and `terraform fmt` aligns.
METRIC = re.compile(r'^    (\w+) += \{ event = "(\w+)", field = (?:null|"(\w+)"), labels = \[(.*)\] \}$', re.MULTILINE)
PRICES = b'{"items": [{"id": "class-3080", "prices": [{"priority": "high", "price": "0.30"}]}]}'

Lines = Mapping[str, list[dict[str, Any]]]


def metrics() -> dict[str, tuple[str, str | None, list[str]]]:
    """Metric -> event, field (None: lines are counted), labels."""
    return {
        key: (event, field or None, re.findall(r'"(\w+)"', labels))
        for key, event, field, labels in METRIC.findall(METRICS)
    }


def live(system: System) -> None:
    """A job that succeeds, one that fails, one that is cancelled, a late callback, a forged webhook, three ticks."""
    system.environment |= {"SCALE_GROUPS": json.dumps(GROUPS), "DAILY_BUDGET_USD": "100"}
    system.salad.gpu_classes = Answer(200, PRICES)
    salad_has(system, 1, group("avatar-3060", 1), group("avatar-3080", 2))
    system.tick()
    good, bad, unwanted = (system.submit(system.body(webhook_url=f"{system.app.url}/done")).json for _ in range(3))
    system.move_clock(61)
    system.tick()
    system.function("job_status").call(
        "DELETE", f"/v1/avatar/jobs/{unwanted['id']}", headers={"X-Internal-API-Key": API_KEY}
    )
    webhook(system, unwanted, None, status="cancelled")
    verdict = {"code": "audio_silent", "message": "No sound.", "stage": "probe", "retryable": False}
    report(system, bad)
    webhook(system, bad, result(bad, status="error", error=verdict, output=None))
    system.app.answers.append(Answer(500, b""))
    report(system, good)
    file_stands(system)
    webhook(system, good, result(good))
    system.function("salad_webhook").call("POST", "/v1/webhooks/salad", body=b"{}")
    system.move_clock(120)
    system.tick()


@pytest.fixture
def lines(system: System, capfd: pytest.CaptureFixture[str]) -> Lines:
    """Event -> its log lines."""
    live(system)
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events(capfd.readouterr().out):
        found[event["event"]].append(event)
    return found


def test_every_metric_of_the_file_is_checked() -> None:
    assert len(metrics()) == METRICS.count("event = "), "one metric a line"


def test_every_metric_finds_its_event_its_number_and_its_labels(lines: Lines) -> None:
    for key, (event, field, labels) in metrics().items():
        assert lines[event], f"{key}: nobody wrote {event}"
        if field is not None:
            values = [line[field] for line in lines[event] if field in line]
            assert values, f"{key}: no line of {event} has {field}"
            assert all(isinstance(value, int | float) and value >= 0 for value in values), (key, values)
        for label in labels:
            assert any(isinstance(line.get(label), str) for line in lines[event]), f"{key}: {event} has no {label}"


def test_the_values_of_the_metrics_are_correct(lines: Lines) -> None:
    first, second, last = lines["tick_finished"]
    assert "gap_seconds" not in first, "there was no tick before"
    assert (second["jobs_queued"], second["jobs_running"], second["due_jobs"]) == (3, 0, 0)
    assert 60 < second["oldest_wait_seconds"] < 80
    assert (second["replicas_running"], second["callbacks_due"], second["ticks_missed"]) == (3, 0, 0)
    assert last["callbacks_due"] == 1, "the one that the app refused once"
    assert 100 < last["callback_overdue_seconds"] < 130
    assert (last["jobs_queued"], last["oldest_wait_seconds"], last["ticks_missed"]) == (0, 0.0, 1)
    assert last["spend_added_usd"] == pytest.approx(3 * 0.30 * 120 / 3600, rel=0.1), "three run at 0.30 an hour"
    assert last["spend_today_usd"] >= last["spend_added_usd"]
    assert {(line["status"], line["code"]) for line in lines["job_finished"]} == {
        ("succeeded", None), ("failed", "audio_silent"), ("cancelled", None),
    }  # fmt: skip
    assert {line["state"] for line in lines["callback_tried"]} == {"delivered", "retrying"}


def test_no_metric_hides_a_count_of_what_the_tick_did(lines: Lines) -> None:
    """Both stand in one line: a kind of work named like a metric would take its place, or end the tick."""
    last = lines["tick_finished"][-1]
    assert last["called_back"] == 1
    code = (ROOT / "functions" / "avatar_jobs" / "services" / "tick" / "housekeeper.py").read_text()
    kinds = set(re.findall(r'return "([a-z_]+)"', code))
    assert kinds
    assert kinds & {field for event, field, _ in metrics().values() if event == "tick_finished"} == set()
