"""Kills the node at each stage of a run: the job succeeds once, with one video, and no process or file is left."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.faults import Faulty, faulty
from tests.e2e.rehearsals import Rehearsal, rehearsal
from tests.support import gated_worker
from tests.support.openapi import OpenApiValidator
from tests.support.processes import await_end, command_of, descendants, is_alive
from tests.support.scripted_server import Answer, ScriptedServer, scripted_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e
FINISHED_BEFORE_THE_KILL = ("sidecar", "answer")  # the video lies in the bucket then


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One rehearsal whose workers can be held at a stage."""
    directory = tmp_path_factory.mktemp("rehearsal")
    with rehearsal(directory, REPLICAS="2", TICK_SEC="1", WORKER_COMMAND=gated_worker.COMMAND) as started:
        yield started


@pytest.fixture
def system(running: Rehearsal, openapi: OpenApiValidator) -> Iterator[Faulty]:
    """This test's view of it."""
    with faulty(running, openapi) as one:
        yield one


@pytest.fixture
def counter() -> Iterator[ScriptedServer]:
    """Receives a request at each start of the engine."""
    with scripted_server() as server:
        yield server


@pytest.mark.parametrize("stage", gated_worker.STAGES)
def test_a_node_that_dies_at_a_stage_costs_no_job_and_no_second_video(
    system: Faulty, counter: ScriptedServer, stage: str
) -> None:
    # at `engine` the program itself hangs, so that a whole process group is at work; elsewhere the worker is held
    hangs = Answer(body=b"hang")
    system.gate.default = Answer()
    system.gate.answers.append(hangs if stage == "engine" else Answer(delay_sec=60))
    media = system.running.ready["media"]
    orders = f"hold={stage}&gate={system.gate.url}&counter={counter.url}"
    job = system.submit(orders, audio_url=f"{media}/speech.wav")
    eventually(lambda: system.gate.received, what=f"the worker at {stage}")
    if stage == "engine":
        eventually(lambda: engine_processes(system), what="the engine's processes")
    engine = engine_processes(system)

    killed = kill_the_node(system, job["id"])

    done = system.check_outcome(job)
    assert done["metrics"]["engine"] == "musetalk_cold"
    assert len(counter.received) == renders_of(stage), "the engine ran more often than it had to"
    (salad_job,) = system.salad_jobs(job["id"])
    assert salad_job["attempts"] == 2, "the kill was no failed try at Salad"
    assert objects_of(system, job["id"]) == {f"{job['id']}.mp4": 1, f"{job['id']}.json": 1}
    assert not any(is_alive(pid) for pid in [killed, *engine])
    eventually(lambda: scratch_of(system) == [], what="empty scratch space")


def renders_of(stage: str) -> int:
    """Returns how often the engine has to run: twice only if its video was not stored before the kill."""
    if stage in ("download", "prepare"):
        return 1
    return 1 if stage in FINISHED_BEFORE_THE_KILL else 2


def kill_the_node(system: Faulty, job_id: str) -> int:
    """Kills the process group of the job's node and waits for its end. Returns the worker's process id."""
    (salad_job,) = system.salad_jobs(job_id)
    instances = {one["id"]: one for one in system.control("GET", "/state")["instances"]}
    pid = int(instances[salad_job["instance_id"]]["pid"])
    assert is_alive(pid)
    system.control("POST", f"/instances/{salad_job['instance_id']}/kill")
    await_end([pid])
    return pid


def engine_processes(system: Faulty) -> list[int]:
    """Returns the process ids of all MuseTalk programs and their children."""
    found = descendants(system.running.process.pid)
    guards = [pid for pid in found if "group_guard.py" in command_of(pid)]
    return [member for guard in guards for member in (guard, *descendants(guard))] if guards else []


def objects_of(system: Faulty, job_id: str) -> dict[str, int]:
    """Returns the number of versions of each of the job's objects in the bucket."""
    state: dict[str, Any] = requests.get(f"{system.running.ready['b2']}/_sim/state", timeout=10).json()
    names = [Path(one["name"]).name for one in state["files"] if job_id in one["name"]]
    assert state["unfinished_large_files"] == 0
    return {name: names.count(name) for name in names}


def scratch_of(system: Faulty) -> list[str]:
    """Returns the files in the scratch space of the running workers, without the fake MuseTalk's."""
    left = []
    for instance in system.control("GET", "/state")["instances"]:
        if instance["pid"] is None:
            continue
        variables = Path(f"/proc/{instance['pid']}/environ").read_text().split("\0")
        named = dict(variable.partition("=")[::2] for variable in variables)
        disk = Path(named["TMPDIR"])
        assert disk.is_dir()
        left += [str(path) for path in disk.rglob("*") if path.is_file() and "fake_musetalk" not in path.parts]
        left += [str(path) for path in disk.rglob("run-*")]
    return left
