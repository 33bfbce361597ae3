"""The fleet command against the simulator over HTTP: up, changed, down, and whole again after every fault."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.salad_fleet_driver import SECRETS, Fleet
from tests.contract.salad_sim_driver import API_KEY, ROOT, Simulator, group_body, simulator, wait_for
from tests.support.salad_fleet import FIXED, document, group, text_of

PROBES = {"readiness": {"http": {"path": "/hc", "port": 8000}}}
SECRET = {"secret": "env:WORKER_TOKEN"}
CREDENTIALS = {"basic": {"username": "reader", "password": {"secret": "env:REGISTRY_PASSWORD"}}}


@pytest.fixture(scope="module")
def salad() -> Iterator[Simulator]:
    with simulator() as running:
        yield running


@pytest.fixture
def fleet(salad: Simulator, tmp_path: Path) -> Iterator[Fleet]:
    """The command on an empty project; afterwards nothing that it wrote holds a secret."""
    for one in salad.state()["groups"]:
        salad.call("delete_container_group", container_group_name=one["name"])
    for one in salad.call("list_queues").json()["items"]:
        salad.call("delete_queue", queue_name=one["name"])
    salad.control("POST", "/reset")
    made = Fleet(salad, tmp_path)
    yield made
    everything = "".join(made.written)
    for secret in (API_KEY, *SECRETS.values()):
        assert secret not in everything


def whole(**fields: Any) -> dict[str, Any]:
    """A file that uses everything that a file can say."""
    common = {
        "environment": {"ENGINE": "preview", "TOKEN": SECRET},
        "registry_credentials": CREDENTIALS,
        "probes": PROBES,
        "countries": ["de", "fr"],
        "command": ["run", "--fast"],
        "storage_mb": 2048,
        **fields,
    }
    common = {"image": "registry/worker:1", **common}
    return document(group("always", image=None, scaling=FIXED), group("scaled", image=None), defaults=common)


def test_the_whole_life_of_a_fleet(fleet: Fleet) -> None:
    planned = fleet("plan", "--detailed-exitcode", content=whole())
    assert (planned.code, fleet.writes()) == (3, {})
    assert "3 to create, 0 to change" in planned.out
    assert "fleet: at least $0.08 an hour ($1.92 a day), at most $1.60 an hour ($38.40 a day)" in planned.out

    declined = fleet("apply", answer="n\n")
    assert (declined.code, fleet.writes()) == (1, {})

    applied = fleet("apply", answer="y\n")
    assert (applied.code, applied.out.splitlines()[-3:]) == (
        0, ["queue jobs created", "group always created", "group scaled created"],
    )  # fmt: skip
    assert {name: one["replicas"] for name, one in fleet.groups().items()} == {"always": 1, "scaled": 0}

    before = fleet.writes()
    again = fleet("apply", "--yes")
    assert (again.code, again.out.splitlines()[-1], fleet.writes()) == (0, "nothing to do", before)
    assert fleet("plan", "--detailed-exitcode").code == 0

    status = json.loads(fleet("status", "--json").out)
    rows = [
        (one["group"], one["scaling"], one["wanted"], one["usd_hour_each"], one["drift"]) for one in status["groups"]
    ]
    assert rows == [("always", "fixed", 1, "0.08", "no"), ("scaled", "tick", 0, "0.08", "no")]

    changed = fleet("apply", "--yes", content=whole(image="registry/worker:2", countries=[], command=None))
    assert changed.code == 0
    assert [one["container"]["image"] for one in fleet.groups().values()] == ["registry/worker:2"] * 2
    assert fleet("apply", "--yes").out.splitlines()[-1] == "nothing to do"

    assert fleet("destroy", answer="no\n").code == 1
    destroyed = fleet("destroy", answer="avatar\n")
    assert (destroyed.code, destroyed.out.splitlines()[-3:]) == (
        0, ["group always destroyed", "group scaled destroyed", "queue jobs destroyed"],
    )  # fmt: skip
    assert (fleet.groups(), fleet.salad.call("list_queues").json()["items"]) == ({}, [])
    assert fleet("destroy", "--yes").out == "nothing to destroy\n"
    for operation in ("create_queue", "create_container_group", "update_container_group", "delete_queue"):
        assert operation in {name for name, _ in fleet.sent}, "each was held against Salad's file when it was sent"


def test_what_was_sent_holds_the_secrets_and_nothing_that_was_written_does(fleet: Fleet) -> None:
    fleet("apply", "--yes", content=whole())
    bodies = json.dumps([body for name, body in fleet.sent if name == "create_container_group"])
    assert all(secret in bodies for secret in SECRETS.values())
    fleet.environment["WORKER_TOKEN"] = "hunter2-rotated"
    planned = fleet("plan", "--json")
    assert "(secret, differs)" in planned.out
    assert "hunter2" not in planned.out
    assert fleet("apply", "--yes").code == 0
    shown = fleet.groups()["always"]["container"]["environment_variables"]["TOKEN"]
    assert shown == "hunter2-rotated"
    assert "hunter2" not in "".join(fleet.written)


def test_salads_own_words_are_cleaned_of_secrets(fleet: Fleet) -> None:
    fleet.salad.plan_fault("create_container_group", {"status": 400})
    refused = fleet("apply", "--yes", content=whole())
    assert refused.code == 1
    fleet.environment["WORKER_TOKEN"] = "a planned fault"  # as if Salad repeated the value in its refusal
    fleet.salad.plan_fault("create_container_group", {"status": 400})
    assert "a planned fault" not in "".join(fleet("apply", "--yes")[1:])


def test_the_ticks_replicas_survive_an_apply(fleet: Fleet) -> None:
    fleet("apply", "--yes", content=document())
    fleet.salad.call("update_container_group", {"replicas": 2}, container_group_name="scaled")
    assert fleet("apply", "--yes", content=document(defaults={"storage_mb": 2048})).code == 0
    assert fleet.groups()["scaled"]["replicas"] == 2
    patches = [body for name, body in fleet.sent if name == "update_container_group"]
    assert patches
    assert not any("replicas" in body for body in patches)


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("list_gpu_classes", {"status": 429, "retry_after": 7}),
        ("list_queues", {"status": 503, "html": True}),
        ("list_container_groups", {"cut": "before"}),
        ("create_queue", {"status": 429, "retry_after": 7}),
        ("create_queue", {"status": 503, "html": True}),
        ("create_queue", {"cut": "after"}),
        ("create_container_group", {"status": 503, "html": True}),
        ("create_container_group", {"cut": "before"}),
        ("create_container_group", {"cut": "after"}),
    ],
)
def test_a_passing_fault_costs_a_pause_and_never_a_second_creation(
    fleet: Fleet, operation: str, fault: dict[str, Any]
) -> None:
    planned = fleet.salad.plan_fault(operation, fault)
    assert fleet("apply", "--yes", content=document()).code == 0
    assert fleet.salad.happened(planned) == 1
    assert fleet.pauses == [fault.get("retry_after", 0.5)]
    assert set(fleet.groups()) == {"always", "scaled"}
    extra = 0 if fault == {"cut": "after"} else 1
    wanted = {"create_queue": 1, "create_container_group": 2}
    assert fleet.writes() == wanted | ({operation: wanted[operation] + extra} if operation in wanted else {})


@pytest.mark.parametrize("operation", ["update_container_group", "start_container_group"])
def test_a_change_whose_answer_was_lost_is_sent_again(fleet: Fleet, operation: str) -> None:
    fleet("apply", "--yes", content=document())
    fleet.salad.call("stop_container_group", container_group_name="always")
    fault = fleet.salad.plan_fault(operation, {"cut": "after"})
    assert fleet("apply", "--yes", content=document(defaults={"storage_mb": 2048})).code == 0
    assert (fleet.salad.happened(fault), fleet.pauses) == (1, [0.5])
    assert fleet("plan", "--detailed-exitcode").code == 0


def test_a_fleet_that_was_applied_by_half_is_completed_by_the_next_run(fleet: Fleet) -> None:
    fleet("plan", content=document())
    fault = fleet.salad.plan_fault("create_container_group", {"status": 400})
    first = fleet("apply", "--yes")
    assert (first.code, fleet.salad.happened(fault)) == (1, 1)
    assert first.err == (
        "create_container_group always: Salad answered POST with 400: a planned fault. "
        "Done before that: queue jobs created. Run apply again: it does what is left.\n"
    )
    second = fleet("apply", "--yes")
    assert (second.code, second.out.splitlines()[-2:]) == (0, ["group always created", "group scaled created"])
    assert fleet("plan", "--detailed-exitcode").code == 0


def test_salad_down_for_good_is_one_sentence_after_bounded_tries(fleet: Fleet) -> None:
    fault = fleet.salad.plan_fault("list_gpu_classes", {"status": 503, "html": True}, times=20)
    said = fleet("plan", content=document())
    assert said.code == 1
    assert said.err.splitlines() == [
        "list_gpu_classes: Salad answered GET with 503: an HTML page; trying again in 8 s",
        "list_gpu_classes: Salad answered GET with 503: an HTML page",
    ]
    assert fleet.salad.happened(fault) == 6
    assert fleet.pauses == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_a_wrong_key_names_the_setting(fleet: Fleet) -> None:
    fleet.environment["SALAD_API_KEY"] = "wrong"
    said = fleet("status", content=document())
    assert (said.code, said.err) == (1, "list_gpu_classes: Salad does not know the key in SALAD_API_KEY (401)\n")
    assert fleet.pauses == []


@pytest.mark.parametrize(
    ("top", "word"), [({"organization": "other"}, "no organization other"), ({"project": "other"}, "no project other")]
)
def test_an_unknown_organization_or_project_is_one_sentence(fleet: Fleet, top: dict[str, str], word: str) -> None:
    said = fleet("apply", "--yes", content=document(**top))
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert f"Salad has {word} that the key in SALAD_API_KEY can see" in said.err


def test_an_unknown_gpu_is_a_fault_of_the_file_and_nothing_is_changed(fleet: Fleet) -> None:
    said = fleet("apply", "--yes", content=document(group(gpu_classes=["RTX 3061 (12 GB)"])))
    assert (said.code, fleet.writes()) == (2, {})
    assert said.err.startswith("fleet.yaml: groups[0].gpu_classes[0]: Salad has no GPU class 'RTX 3061 (12 GB)'; the")
    assert "RTX 3060 (12 GB)" in said.err


def test_a_missing_secret_is_a_fault_of_the_settings_and_nothing_is_changed(fleet: Fleet) -> None:
    fleet.environment["WORKER_TOKEN"] = ""
    said = fleet("apply", "--yes", content=whole())
    assert (said.code, fleet.writes()) == (2, {})
    assert said.err == "fleet.yaml: groups[0].environment.TOKEN: the environment has no variable WORKER_TOKEN\n"


@pytest.mark.parametrize(
    ("taken", "content", "word"),
    [
        ("workers", group("workers"), "workers: the name is taken by a container group that is attached to no queue"),
        ("foreign", group(scaling={**FIXED, "replicas": 500}), "the quota of 500 replicas is too small"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_changed(
    fleet: Fleet, taken: str, content: dict[str, Any], word: str
) -> None:
    alone = {name: value for name, value in group_body(1).items() if name != "queue_connection"}
    assert fleet.salad.call("create_container_group", {**alone, "name": taken}).status_code == 201
    before = fleet.writes()
    for command in ("plan", "apply"):
        said = fleet(command, *(["--yes"] if command == "apply" else []), content=document(content))
        assert said.code == 1
        assert word in said.out + said.err
    assert fleet.writes() == before


def test_drift_is_refused_then_accepted_and_left(fleet: Fleet) -> None:
    fleet("apply", "--yes", content=document())
    left_over = {"container": {"environment_variables": {"LEFT_OVER": "hunter2-left-over"}}}
    fleet.salad.call("update_container_group", left_over, container_group_name="scaled")
    refused = fleet("apply", "--yes", content=document(defaults={"storage_mb": 2048}))
    assert refused.code == 1
    assert "scaled: environment.LEFT_OVER is set at Salad and not in the file" in refused.err
    assert fleet("apply", "--yes", "--accept-drift").code == 0
    assert fleet.groups()["scaled"]["container"]["environment_variables"] == {"LEFT_OVER": "hunter2-left-over"}
    assert "hunter2" not in "".join(fleet.written)
    assert " yes\n" in fleet("status").out


def test_a_group_that_the_file_forgot_is_shown_left_and_removed_by_name(fleet: Fleet) -> None:
    fleet("apply", "--yes", content=document())
    shorter = document(group("always", scaling=FIXED))
    assert "? group scaled: on our queue, not in the file" in fleet("apply", "--yes", content=shorter).out
    assert set(fleet.groups()) == {"always", "scaled"}
    refused = fleet("destroy", "--yes")
    assert (refused.code, refused.err.startswith("scaled is on the queue jobs and not in the file")) == (1, True)
    assert fleet("destroy", "--group", "scaled", answer="avatar\n").code == 1
    assert fleet("destroy", "--group", "scaled", answer="scaled\n").code == 0
    assert set(fleet.groups()) == {"always"}
    assert fleet("destroy", "--group", "scaled", "--yes").out == "nothing to destroy\n"


def test_a_group_of_another_queue_is_never_destroyed(fleet: Fleet) -> None:
    fleet("apply", "--yes", content=document())
    alone = {name: value for name, value in group_body(0).items() if name != "queue_connection"}
    fleet.salad.call("create_container_group", alone)
    said = fleet("destroy", "--group", "workers", "--yes")
    assert (said.code, said.err) == (1, "workers is not on the queue jobs, so it is none of this fleet; left alone\n")
    assert fleet("destroy", "--yes").code == 0
    assert set(fleet.groups()) == {"workers"}


def test_a_fleet_with_open_jobs_is_destroyed_by_force_alone(fleet: Fleet) -> None:
    fleet("apply", "--yes", content=document(group("scaled")))
    job = fleet.salad.submit({})
    refused = fleet("destroy", "--yes")
    assert (refused.code, "at least 1 jobs that wait or run" in refused.err) == (1, True)
    assert fleet.salad.job(job)["status"] == "pending"
    assert fleet("destroy", "--yes", "--force").code == 0


@pytest.mark.parametrize("operation", ["stop_container_group", "delete_container_group", "delete_queue"])
@pytest.mark.parametrize("fault", [{"cut": "after"}, {"status": 503, "html": True}])
def test_a_fault_while_destroying_is_mended(fleet: Fleet, operation: str, fault: dict[str, Any]) -> None:
    fleet("apply", "--yes", content=document())
    planned = fleet.salad.plan_fault(operation, fault)
    assert fleet("destroy", "--yes").code == 0
    assert (fleet.salad.happened(planned), fleet.groups()) == (1, {})


def test_a_destruction_that_broke_off_is_completed_by_the_next_run(fleet: Fleet) -> None:
    fleet("apply", "--yes", content=document())
    fault = fleet.salad.plan_fault("delete_queue", {"status": 400})
    assert fleet("destroy", "--yes").code == 1
    assert fleet.salad.happened(fault) == 1
    said = fleet("destroy", "--yes")
    assert (said.code, said.out.splitlines()[-1]) == (0, "queue jobs destroyed")


@pytest.mark.parametrize("way", ["in place", "side by side"])
def test_a_new_image_loses_no_job_that_runs_or_waits(fleet: Fleet, way: str) -> None:
    def content(image: str, *more: dict[str, Any]) -> dict[str, Any]:
        return document(group("always", image=image, scaling=FIXED, probes=PROBES), *more)

    fleet("apply", "--yes", content=content("registry/worker:1"))
    fleet.salad.running(1)
    jobs = [fleet.salad.submit({"sleep_sec": 1.5}), fleet.salad.submit({})]
    wait_for(lambda: [one for one in fleet.salad.instances() if one["job_id"] == jobs[0]])
    if way == "in place":
        said = fleet("apply", "--yes", content=content("registry/worker:2"))
        assert "Salad replaces all 1 instances of this group at once" in said.out
    else:
        tick = {"mode": "tick", "min": 1, "max": 1, "warm_seconds": 1}
        newer = group("newer", image="registry/worker:2", probes=PROBES, scaling=tick)
        assert fleet("apply", "--yes", content=content("registry/worker:1", newer)).code == 0
        wait_for(lambda: [one for one in fleet.salad.instances(group="newer") if one["ready"]])
        assert fleet("destroy", "--group", "always", "--yes").code == 0
    assert [fleet.salad.finished(job)["status"] for job in jobs] == ["succeeded", "succeeded"]
    assert {one["container"]["image"] for one in fleet.groups().values()} == {"registry/worker:2"}


def test_the_module_runs_as_a_program(fleet: Fleet) -> None:
    path = fleet.folder / "fleet.yaml"
    path.write_text(text_of(document()))
    environment = {
        "PATH": os.environ["PATH"],
        "SALAD_API_URL": f"{fleet.salad.origin}/api/public",
        "SALAD_API_KEY": API_KEY,
    }
    command = [sys.executable, "-m", "infra.salad.fleet"]
    for arguments, code in ((["apply", "--yes"], 0), (["plan", "--nonsense"], 2)):
        done = subprocess.run([*command, *arguments, "--file", path], cwd=ROOT, env=environment, capture_output=True)
        assert done.returncode == code, done.stderr
    without = subprocess.run([*command, "status"], cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True)
    assert (without.returncode, without.stderr) == (2, b"SALAD_API_KEY is not set: make a key in Salad's portal\n")
