"""The fleet command against the simulator over HTTP: create, change, show, replace, remove."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.salad_fleet_driver import SECRETS, Fleet, empty_project
from tests.support.operators import ops
from tests.support.salad_fleet import FIXED, document, group, text_of
from tests.support.salad_sim import API_KEY, Simulator, group_body, simulator
from tests.support.waiting import eventually

PROBES = {"readiness": {"http": {"path": "/hc", "port": 8000}}}
SECRET = {"secret": "env:WORKER_TOKEN"}
CREDENTIALS = {"basic": {"username": "reader", "password": {"secret": "env:REGISTRY_PASSWORD"}}}


@pytest.fixture(scope="module")
def salad() -> Iterator[Simulator]:
    with simulator() as running:
        yield running


@pytest.fixture
def fleet(salad: Simulator, tmp_path: Path) -> Iterator[Fleet]:
    with empty_project(salad, tmp_path) as made:
        yield made


def whole(**fields: Any) -> dict[str, Any]:
    """Returns a file that uses every field."""
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


def test_a_fleet_is_planned_created_changed_and_destroyed(fleet: Fleet) -> None:
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


def test_secrets_are_removed_from_salads_messages(fleet: Fleet) -> None:
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
def test_an_impossible_change_is_refused_before_anything_is_changed(
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


def test_a_group_that_the_file_does_not_name_is_shown_and_removed_only_by_name(fleet: Fleet) -> None:
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
    assert (said.code, said.err) == (
        1,
        "workers is not on the queue jobs, so it does not belong to this fleet; nothing was removed\n",
    )
    assert fleet("destroy", "--yes").code == 0
    assert set(fleet.groups()) == {"workers"}


def test_a_fleet_with_open_jobs_is_destroyed_only_with_force(fleet: Fleet) -> None:
    fleet("apply", "--yes", content=document(group("scaled")))
    job = fleet.salad.submit({})
    refused = fleet("destroy", "--yes")
    assert (refused.code, "has jobs that wait or run (at least 1)" in refused.err) == (1, True)
    assert fleet.salad.job(job)["status"] == "pending"
    assert fleet("destroy", "--yes", "--force").code == 0


@pytest.mark.parametrize("way", ["in place", "side by side"])
def test_a_new_image_loses_no_job_that_runs_or_waits(fleet: Fleet, way: str) -> None:
    def content(image: str, *more: dict[str, Any]) -> dict[str, Any]:
        return document(group("always", image=image, scaling=FIXED, probes=PROBES), *more)

    fleet("apply", "--yes", content=content("registry/worker:1"))
    fleet.salad.running(1)
    gate = fleet.folder / "gate"
    jobs = [fleet.salad.submit({"hold_file": str(gate)}), fleet.salad.submit({})]
    eventually(lambda: [one for one in fleet.salad.instances() if one["job_id"] == jobs[0]])
    if way == "in place":
        said = fleet("apply", "--yes", content=content("registry/worker:2"))
        assert "Salad replaces every instance of this group at once (1 now)" in said.out
    else:
        tick = {"mode": "tick", "min": 1, "max": 1, "warm_seconds": 1}
        newer = group("newer", image="registry/worker:2", probes=PROBES, scaling=tick)
        assert fleet("apply", "--yes", content=content("registry/worker:1", newer)).code == 0
        eventually(lambda: [one for one in fleet.salad.instances(group="newer") if one["ready"]])
        assert fleet("destroy", "--group", "always", "--yes").code == 0
    gate.touch()
    assert [fleet.salad.finished(job)["status"] for job in jobs] == ["succeeded", "succeeded"]
    assert {one["container"]["image"] for one in fleet.groups().values()} == {"registry/worker:2"}


def test_the_module_runs_as_a_program(fleet: Fleet) -> None:
    path = fleet.folder / "fleet.yaml"
    path.write_text(text_of(document()))
    environment = {"SALAD_API_URL": f"{fleet.salad.origin}/api/public", "SALAD_API_KEY": API_KEY}
    for arguments, code in ((["apply", "--yes"], 0), (["plan", "--nonsense"], 2)):
        done = ops("fleet", *arguments, "--file", str(path), environment=environment)
        assert done.returncode == code, done.stderr
    without = ops("fleet", "status", environment={})
    assert (without.returncode, without.stderr) == (2, "SALAD_API_KEY is not set: make a key in Salad's portal\n")
