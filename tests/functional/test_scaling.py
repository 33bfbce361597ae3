"""The tick sizes the fleet: it reads the queue once, sends only changes, keeps changes from outside, and says why."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.support.events import events
from tests.support.fake_salad import problem
from tests.support.salad_side import report
from tests.support.scaling import group, health, minute, patches, salad_has
from tests.support.scripted_server import Answer
from tests.support.system import System


def test_a_queue_raises_the_fleet_at_once_and_only_what_changes_is_sent(scaled: System) -> None:
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 0))
    scaled.tick()
    assert patches(scaled) == [("avatar-3080", 5)]
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 5, running=0))
    minute(scaled)
    assert patches(scaled) == [("avatar-3080", 5)], "nothing to change, nothing sent"
    scaling = health(scaled)["scaling"]
    assert (scaling["rule"], scaling["need"], scaling["groups"]["avatar-3080"]) == (
        "drain", 5.0, {"target": 5, "reason": "hold"},
    )  # fmt: skip


def test_running_jobs_are_our_own_count_and_hold_their_instances(scaled: System) -> None:
    jobs = [scaled.submit().json for _ in range(3)]
    salad_has(scaled, 0, group("avatar-3060", 1), group("avatar-3080", 4))
    for tick in range(5):
        for job in jobs:
            report(scaled, job, seq=tick)
        minute(scaled)
    assert patches(scaled) == [("avatar-3080", 2)], "three run, one of them where an instance is always on"


def test_after_the_hold_an_idle_fleet_goes_to_its_minimum(scaled: System) -> None:
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 0))
    scaled.tick()
    salad_has(scaled, 0, group("avatar-3060", 1), group("avatar-3080", 5))
    minute(scaled)
    minute(scaled)
    assert patches(scaled) == [("avatar-3080", 5)], "the need of the last 180 s is remembered"
    minute(scaled)
    minute(scaled)
    assert patches(scaled) == [("avatar-3080", 5), ("avatar-3080", 0)]


def test_a_patch_that_fails_is_sent_again_by_the_next_tick(scaled: System) -> None:
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 0))
    scaled.salad.patched = problem(500)
    scaled.tick()
    assert "500" in health(scaled)["scaling"]["failed"]["avatar-3080"]
    scaled.salad.patched = None
    minute(scaled)
    assert patches(scaled) == [("avatar-3080", 5), ("avatar-3080", 5)]
    assert health(scaled)["scaling"]["changed"] == {"avatar-3080": 5}


def test_a_patch_whose_answer_was_lost_does_not_count_as_a_change_from_outside(scaled: System) -> None:
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 0))
    scaled.salad.patched = Answer(cut=True)
    scaled.tick()
    scaled.salad.patched = None
    salad_has(scaled, 20, group("avatar-3060", 1), group("avatar-3080", 5))
    minute(scaled)
    assert health(scaled)["scaling"]["left_alone"] == {}
    assert patches(scaled)[-1] == ("avatar-3080", 14)


def test_a_change_from_outside_is_kept_for_its_time_and_reported(scaled: System) -> None:
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 0))
    scaled.tick()
    salad_has(scaled, 0, group("avatar-3060", 1), group("avatar-3080", 9))  # a person, not we
    for _ in range(10):
        minute(scaled)
    assert patches(scaled) == [("avatar-3080", 5)]
    assert health(scaled)["scaling"]["left_alone"] == {"avatar-3080": "changed by somebody else"}
    for _ in range(6):
        minute(scaled)
    assert patches(scaled)[-1] == ("avatar-3080", 0)


def test_a_group_with_salads_own_autoscaler_is_left_alone(scaled: System) -> None:
    own: dict[str, Any] = {"queue_autoscaler": {"desired_queue_length": 1, "min_replicas": 0, "max_replicas": 3}}
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 0, **own))
    scaled.tick()
    assert patches(scaled) == []
    assert "autoscaler" in health(scaled)["scaling"]["left_alone"]["avatar-3080"]


def test_a_stopped_group_is_started_after_its_replicas_are_set(scaled: System) -> None:
    stopped = group("avatar-3080", 0)
    stopped["current_state"]["status"] = "stopped"
    salad_has(scaled, 8, group("avatar-3060", 1), stopped)
    scaled.tick()
    changes = [(call.method, call.path.rsplit("/", 1)[1]) for call in scaled.salad.received if call.method != "GET"]
    assert changes == [("PATCH", "avatar-3080"), ("POST", "start")]


@pytest.mark.parametrize(
    "answer",
    [
        problem(503),
        Answer(200, b"<html>maintenance</html>", {"Content-Type": "text/html"}),
        Answer(200, b'{"current_queue_length": "many", "container_groups": 7}'),
        Answer(200, b'{"current_queue_length": -4, "container_groups": [{"name": "avatar-3080", "replicas": 1e9}]}'),
        Answer(cut=True),
    ],
)
def test_a_tick_without_data_changes_nothing_and_succeeds(scaled: System, answer: Answer) -> None:
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 0))
    scaled.tick()
    scaled.salad.queue = answer
    minute(scaled)
    assert patches(scaled) == [("avatar-3080", 5)]
    told = health(scaled)
    assert told["scaling"]["reason"].startswith("blind")
    assert told["last_tick_age_seconds"] < 30


def test_observe_only_decides_and_changes_nothing(scaled: System) -> None:
    scaled.environment["SCALE_OBSERVE_ONLY"] = "true"
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 0))
    scaled.tick()
    scaling = health(scaled)["scaling"]
    assert (scaling["observe_only"], scaling["groups"]["avatar-3080"]["target"], patches(scaled)) == (True, 5, [])


def test_without_groups_nothing_scales(system: System) -> None:
    salad_has(system, 50, group("avatar-3080", 0))
    system.tick()
    assert (health(system)["scaling"], patches(system)) == (None, [])


def test_past_the_daily_budget_the_scaled_groups_go_to_their_minimum(
    scaled: System, capfd: pytest.CaptureFixture[str]
) -> None:
    scaled.environment["DAILY_BUDGET_USD"] = "0.05"
    prices = {"items": [{"id": "class-3080", "prices": [{"priority": "high", "price": "0.30"}]}]}
    scaled.salad.gpu_classes = Answer(200, json.dumps(prices).encode())
    salad_has(scaled, 40, group("avatar-3060", 1), group("avatar-3080", 10))
    scaled.tick()
    assert patches(scaled) == [("avatar-3080", 19)]
    salad_has(scaled, 40, group("avatar-3060", 1), group("avatar-3080", 19))
    minute(scaled)  # 20 instances at 0.30 an hour: 0.10 a minute
    assert patches(scaled)[-1] == ("avatar-3080", 0)
    assert health(scaled)["scaling"]["groups"]["avatar-3080"]["reason"] == "daily budget spent"
    assert events(capfd.readouterr().out, "daily_budget_spent")
    assert len([call for call in scaled.salad.received if call.path.endswith("gpu-classes")]) == 1, "once an hour"
    job = scaled.submit().json
    assert scaled.read(job["id"]).json["status"] == "queued", "jobs wait until their deadlines"


def test_ticks_that_were_missing_raise_an_alarm(scaled: System, capfd: pytest.CaptureFixture[str]) -> None:
    scaled.tick()
    scaled.move_clock(301)
    scaled.tick()
    (line,) = events(capfd.readouterr().out, "ticks_missing")
    assert (line["severity"], line["seconds"] > 300) == ("ERROR", True)


def test_what_was_seen_and_why_is_archived(scaled: System) -> None:
    scaled.submit()
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 0))
    scaled.move_clock(30)
    scaled.tick()
    now = scaled.clock()
    (record,) = scaled.stores().archive.archived_snapshots(now - timedelta(minutes=5), now + timedelta(minutes=5))
    assert (record["queue_length"], record["queued_jobs"], record["running_jobs"]) == (8, 1, 0)
    assert 29 < record["oldest_wait_sec"] < 59
    assert record["groups"]["avatar-3080"]["replicas"] == 0
    assert record["scaling"]["changed"] == {"avatar-3080": 5}


def test_a_tick_goes_on_when_the_store_cannot_count(scaled: System) -> None:
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 0))
    with scaled.watch.failing("open_jobs"):
        scaled.tick()
    assert patches(scaled) == [("avatar-3080", 6)], "eight waiting, and the one that is always on counts as busy"


def test_the_organisations_quota_is_learned_from_a_refusal_and_kept_to(scaled: System) -> None:
    salad_has(scaled, 30, group("avatar-3060", 1), group("avatar-3080", 0))
    scaled.salad.patched = problem(400)
    scaled.salad.quotas = Answer(200, b'{"container_groups_quotas": {"container_replicas_quota": 7}}')
    scaled.tick()
    assert patches(scaled) == [("avatar-3080", 19)]
    scaled.salad.patched = None
    minute(scaled)
    minute(scaled)
    assert patches(scaled)[1:2] == [("avatar-3080", 6)], "seven granted, one of them always on"
    asked = [call for call in scaled.salad.received if call.path.endswith("/quotas")]
    assert len(asked) == 1, "only after a refusal"


def test_in_a_burst_that_takes_the_whole_share_of_calls_the_fleet_still_grows(
    scaled: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avatar_jobs.services.tick.ticker.TICK_CALLS_A_MINUTE", 3)
    scaled.salad.answers.extend([problem(429)] * 10)
    for _ in range(10):
        scaled.submit()
    scaled.move_clock(60)
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 0))
    sent = len(scaled.salad.sent)
    done = scaled.tick().json["done"]
    assert (done["dispatched"], done["left_for_the_next_tick"]) == (1, 9)
    assert len(scaled.salad.sent) == sent + 1
    assert patches(scaled) == [("avatar-3080", 5)]


def test_a_bug_in_the_scaling_decision_does_not_stop_due_jobs(
    scaled: System, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("avatar_jobs.services.tick.scaler.decide", broken)
    scaled.salad.answers.append(problem(429))
    job = scaled.submit().json
    minute(scaled)
    assert scaled.read(job["id"]).json["phase"] == "dispatched"
    assert len(events(capfd.readouterr().out, "scaling_broke")) == 1
    assert health(scaled)["last_tick_age_seconds"] < 30


def test_what_was_set_is_stored_at_once_so_that_a_tick_that_dies_later_leaves_no_stranger_behind(
    scaled: System, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    salad_has(scaled, 0, group("avatar-3060", 1), group("avatar-3080", 0))
    scaled.tick()
    scaled.move_clock(60)
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 0))
    with monkeypatch.context() as died, scaled.watch.failing("release_tick_lease", error=OSError("killed")):
        died.setattr("avatar_jobs.services.tick.due_work.DueWork.work_off", lambda *_: ())
        scaled.tick()
    ((_, replicas),) = patches(scaled)
    salad_has(scaled, 0, group("avatar-3060", 1), group("avatar-3080", replicas))
    capfd.readouterr()
    minute(scaled)
    assert events(capfd.readouterr().out, "scaling_left_alone") == []
