"""Metrics, alerts and dashboard read what the code writes, and their links lead to sections that exist."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from avatar_jobs.domain.metrics import due_metrics, fleet_metrics, gap_metrics
from infra.tools.package import ROOT
from tests.deploy.terraform_root import resources

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SEEN = {
    "queued_jobs": 1, "running_jobs": 1, "oldest_wait_sec": 1.0, "spend_usd": 1.0, "spend_added_usd": 0.1,
    "groups": {"a": {"replicas": 1, "running": 1}}, "scaling": None,
}  # fmt: skip
CODE = "".join(path.read_text() for path in (ROOT / "functions" / "avatar_jobs").rglob("*.py"))
# Where the code puts together the fields that it writes with `**`.
FIGURES = {
    "tick_finished": {*due_metrics([], NOW), *gap_metrics(timedelta(0), timedelta(minutes=1)), *fleet_metrics(SEEN)},
    "job_finished": {"wait_seconds", "run_seconds"},
}


def logged_fields(event: str) -> set[str]:
    """Returns the names of the fields that the code gives an event, in any of its log calls."""
    calls = re.findall(rf'log\(\s*"{event}",(.*?)\n\s*\)\n|log\("{event}",(.*)\)\n', CODE, re.DOTALL)
    named = {name for many, one in calls for name in re.findall(r"(\w+)=", many or one)}
    return named | FIGURES.get(event, set())


def test_every_metric_reads_an_event_and_fields_that_the_code_writes(plan: dict[str, Any]) -> None:
    metrics = resources(plan, "google_logging_metric")
    assert len(metrics) >= 10
    for key, metric in metrics.items():
        (event,) = re.findall(r'jsonPayload\.event="(\w+)"', metric["filter"])
        fields = re.findall(r"EXTRACT\(jsonPayload\.(\w+)\)", json.dumps(metric))
        assert re.search(rf'log\(\s*"{event}"', CODE), f"{key}: nobody writes {event}"
        for field in fields:
            assert field in logged_fields(event), f"{key}: {event} has no {field}"


def test_metrics_read_only_the_lines_of_our_functions(plan: dict[str, Any]) -> None:
    names = {one["name"] for one in resources(plan, "google_cloudfunctions2_function").values()}
    for metric in resources(plan, "google_logging_metric").values():
        assert set(re.findall(r'"(avatar-[\w-]+)"', metric["filter"])) == names


def test_labels_have_few_values(plan: dict[str, Any]) -> None:
    labels = {
        name for one in resources(plan, "google_logging_metric").values() for name in one["label_extractors"] or {}
    }
    assert labels == {"status", "code"}, "an id would make a series of its own for each job"


def test_every_alert_exists_and_links_to_a_section_of_the_runbook(plan: dict[str, Any]) -> None:
    alerts = resources(plan, "google_monitoring_alert_policy")
    assert set(alerts) == {
        "no_tick", "failure_ratio", "oldest_job_too_old", "callback_backlog", "signatures_refused", "spend_above_plan"
    }  # fmt: skip
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for key, alert in alerts.items():
        (anchor,) = re.findall(r"runbook\.md#([\w-]+)", alert["documentation"][0]["content"])
        assert anchor in anchors, f"{key} links to #{anchor}, which the runbook does not have"
        assert alert["alert_strategy"][0]["auto_close"], key
        assert alert["severity"] in ("CRITICAL", "ERROR", "WARNING"), key


def test_five_minutes_without_a_tick_raise_an_alert(plan: dict[str, Any]) -> None:
    (condition,) = resources(plan, "google_monitoring_alert_policy")["no_tick"]["conditions"]
    assert condition["condition_absent"][0]["duration"] == "300s"
    assert "avatar/ticks" in condition["condition_absent"][0]["filter"]


def test_alerts_and_dashboard_name_only_metrics_that_exist(plan: dict[str, Any]) -> None:
    made = {one["name"] for one in resources(plan, "google_logging_metric").values()}
    (dashboard,) = resources(plan, "google_monitoring_dashboard").values()
    page = json.loads(dashboard["dashboard_json"])
    tiles = page["mosaicLayout"]["tiles"]
    assert 10 < len(tiles) < 50, "the API takes at most 50"
    text = json.dumps(page) + json.dumps(resources(plan, "google_monitoring_alert_policy"))
    assert set(re.findall(r"logging\.googleapis\.com/user/([\w/]+)", text)) <= made
    places = [(tile["xPos"], tile["yPos"]) for tile in tiles]
    assert len(set(places)) == len(places), "no tile overlaps another"
