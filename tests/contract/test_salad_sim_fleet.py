"""Replicas are real processes: they start, scale, are probed, die and are replaced, and none outlives the simulator."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import await_end, group_members, is_alive
from tests.support.salad_sim import PROBE, Simulator, group_body, simulator
from tests.support.waiting import eventually, never


def container(**variables: str) -> dict[str, object]:
    return {"image": "x", "resources": {"cpu": 1, "memory": 1024}, "environment_variables": variables}


@pytest.fixture
def started() -> Iterator[Simulator]:
    with simulator() as running:
        running.call("create_queue", {"name": "jobs"})
        yield running


def counts(simulator: Simulator) -> dict[str, int]:
    """Running and stopping instances, as GET queue tells."""
    state = simulator.call("get_queue").json()["container_groups"][0]["current_state"]
    return {name: n for name, n in state["instance_status_counts"].items() if n}


def test_scaling_starts_and_ends_real_processes_and_keeps_those_of_high_deletion_cost(started: Simulator) -> None:
    started.call("create_container_group", group_body(1))
    started.running(1)
    assert counts(started) == {"running_count": 1}
    started.call("update_container_group", {"replicas": 3})
    instances = started.running(3)
    assert len({one["port"] for one in instances}) == 3
    assert all(len(group_members(one["pid"])) == 2 for one in instances)  # the worker and its queue worker
    listed = started.call("list_container_group_instances").json()["instances"]
    assert {one["id"] for one in listed} == {one["id"] for one in instances}
    costly = instances[0]
    assert started.imds("PUT", costly["id"], "deletion-cost", {"deletion_cost": 100}).status_code == 204
    cost = {"deletion_cost": 50}
    name = instances[2]["id"]
    assert (
        started.call("update_container_group_instance", cost, container_group_instance_id=name).json()["deletion_cost"]
        == 50
    )
    started.call("update_container_group", {"replicas": 1})
    assert [one["id"] for one in started.running(1)] == [costly["id"]]
    for gone in instances[1:]:
        assert group_members(gone["pid"]) == []
    started.call("stop_container_group")
    eventually(lambda: started.instances() == [])
    assert started.call("get_container_group").json()["current_state"]["status"] == "stopped"
    assert not is_alive(costly["pid"])


def test_replicas_beyond_the_nodes_stay_allocating() -> None:
    with simulator(SALAD_SIM_NODES="1") as small:
        small.call("create_queue", {"name": "jobs"})
        small.call("create_container_group", group_body(2))
        eventually(lambda: counts(small) == {"running_count": 1, "allocating_count": 1})


def test_the_worker_sees_a_bare_machine_and_the_groups_variables(started: Simulator, tmp_path: Path) -> None:
    seen_file = tmp_path / "environment.json"
    body = group_body(1, container=container(FAKE_ENVIRONMENT_FILE=str(seen_file), OWN="1", PORT="9"))
    started.call("create_container_group", body)
    instance = started.running(1)[0]
    seen = json.loads(eventually(lambda: seen_file.read_text() if seen_file.exists() else None))
    assert (seen["OWN"], seen["PORT"]) == ("1", str(instance["port"]))
    assert seen["SALAD_METADATA_URI"] == f"{started.origin}/_imds/{instance['id']}"
    assert "SALAD_SIM_API_KEY" not in seen
    assert "SALAD_MACHINE_ID" not in seen
    disk = Path(seen["TMPDIR"])
    assert disk.is_dir()
    started.call("delete_container_group")
    eventually(lambda: started.instances() == [])
    assert not disk.exists()


def test_a_group_of_a_new_version_gets_new_instances(started: Simulator) -> None:
    started.call("create_container_group", group_body(1))
    old = started.running(1)[0]
    patched = started.call("update_container_group", {"container": {"environment_variables": {"A": "2"}}})
    assert patched.json()["version"] == 2
    new = eventually(lambda: next(iter(started.instances(state="running", version=2)), None))
    assert new["id"] != old["id"]
    eventually(lambda: started.instances(id=old["id"]) == [])
    assert not is_alive(old["pid"])


def test_an_instance_that_is_not_ready_gets_no_job(started: Simulator, tmp_path: Path) -> None:
    ready_file = tmp_path / "ready"
    variables = container(FAKE_READY_FILE=str(ready_file))
    started.call("create_container_group", group_body(1, readiness_probe=PROBE, container=variables))
    instance = eventually(lambda: next(iter(started.instances(state="running")), None))
    assert started.imds("GET", instance["id"], "status").json() == {"ready": False, "started": True}
    job_id = started.submit({})
    never(lambda: started.job(job_id)["status"] != "pending", 1.5, "a job on an instance that is not ready")
    ready_file.touch()
    assert started.finished(job_id)["status"] == "succeeded"
    assert started.imds("GET", instance["id"], "status").json()["ready"] is True
    gate = tmp_path / "gate"
    job_id = started.submit({"hold_file": str(gate)})
    eventually(lambda: started.job(job_id)["status"] == "running")
    ready_file.unlink()
    eventually(lambda: started.instances(ready=False))
    gate.touch()
    assert started.finished(job_id)["status"] == "succeeded"  # the job in flight still completes


def test_an_instance_can_be_restarted_and_reallocated(started: Simulator) -> None:
    started.call("create_container_group", group_body(1))
    first = started.running(1)[0]
    started.call("restart_container_group_instance", container_group_instance_id=first["id"])
    eventually(lambda: [one for one in started.instances(state="running") if one["pid"] != first["pid"]])
    second = started.running(1)[0]
    assert second["id"] == first["id"]
    machine = started.call("get_container_group_instance", container_group_instance_id=first["id"]).json()
    assert started.imds("POST", first["id"], "reallocate", {"reason": "no CUDA"}).status_code == 204
    eventually(lambda: started.instances(id=first["id"]) == [])
    third = started.running(1)[0]
    moved = started.call("get_container_group_instance", container_group_instance_id=third["id"]).json()
    assert moved["machine_id"] != machine["machine_id"]
    assert not is_alive(second["pid"])


def test_a_container_that_ends_by_itself_starts_again_on_its_node(started: Simulator) -> None:
    started.call("create_container_group", group_body(1))
    before = started.running(1)[0]
    os.kill(before["pid"], signal.SIGKILL)
    eventually(lambda: [one for one in started.instances(state="running") if one["pid"] != before["pid"]])
    assert [one["id"] for one in started.running(1)] == [before["id"]]
    assert group_members(before["pid"]) == []  # its queue worker went with it


def test_a_container_that_cannot_start_is_tried_with_growing_pauses(started: Simulator) -> None:
    started.call("create_container_group", group_body(1, container=container(FAKE_EXIT_AT_START="1")))
    starts = eventually(lambda: found if len(found := started.log("salad_sim_instance_running")) >= 3 else None)
    assert len({line["pid"] for line in starts}) == len(starts)
    assert started.call("get_queue").status_code == 200


def test_the_metadata_service_refuses_what_the_real_one_refuses(started: Simulator) -> None:
    started.call("create_container_group", group_body(1))
    instance_id = started.running(1)[0]["id"]
    plain = started.imds("GET", instance_id, "status", headers={})
    assert plain.status_code == 403
    assert started.imds("GET", "unknown", "status").status_code == 404
    for cost in (-1, 100_001, "1", None):
        answer = started.imds("PUT", instance_id, "deletion-cost", {"deletion_cost": cost})
        assert answer.status_code == 400
    assert started.imds("POST", instance_id, "reallocate", {"reason": ""}).status_code == 400
    assert started.imds("GET", instance_id, "deletion-cost").json() == {"deletion_cost": 0}
    assert started.imds("POST", instance_id, "recreate").status_code == 204


def test_killing_an_unknown_instance_is_refused(started: Simulator) -> None:
    assert started.control("POST", "/instances/unknown/kill").status_code == 404


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_simulator(number: signal.Signals, tmp_path: Path) -> None:
    with simulator(TMPDIR=str(tmp_path)) as doomed:
        doomed.call("create_queue", {"name": "jobs"})
        doomed.call("create_container_group", group_body(2))
        pids = [pid for one in doomed.running(2) for pid in group_members(one["pid"])]
        assert len(pids) == 4
        doomed.submit({"sleep_sec": 60})
        doomed.process.send_signal(number)
        doomed.process.wait(timeout=30)  # far less than the job lasts
        await_end(pids)
        assert doomed.process.returncode == (-9 if number is signal.SIGKILL else 0)
