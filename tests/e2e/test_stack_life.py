"""Checks by process ids that a rehearsal starts and ends with all its processes, and starts anew what is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from infra.local.stack.children import answers
from tests.e2e.api import App
from tests.e2e.rehearsals import LAUNCHER, ROOT, rehearsal
from tests.support import fake_worker
from tests.support.events import events
from tests.support.openapi import OpenApiValidator
from tests.support.processes import await_end, command_of, descendants
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e
GONE_SEC = 10.0  # what `make local` promises after a signal
# parts of command lines
FUNCTIONS = ("target=submit_job", "target=job_status", "target=scale_tick")
KILLED = ("b2_sim", "salad_sim", "media_server", "gateway", *FUNCTIONS)
# the parts that must be among the descendants before their end means anything
PARTS = ("b2_sim", "salad_sim", "media_server", "gateway", "functions-framework", "gpu_worker")


def all_pids(pid: int) -> list[int]:
    found = [pid, *descendants(pid)]
    commands = "\n".join(command_of(one) for one in found)
    assert not [part for part in PARTS if part not in commands], commands
    return found


def launcher_below(make_pid: int) -> int:
    return next(pid for pid in descendants(make_pid) if "infra.local.stack" in command_of(pid))


def kill_launcher(make_pid: int) -> None:
    os.kill(launcher_below(make_pid), signal.SIGKILL)


@pytest.mark.parametrize(
    "end",
    [
        lambda make_pid: os.kill(make_pid, signal.SIGTERM),
        lambda make_pid: os.killpg(make_pid, signal.SIGTERM),
        lambda make_pid: os.killpg(make_pid, signal.SIGINT),
        lambda make_pid: os.kill(make_pid, signal.SIGKILL),
        kill_launcher,
    ],
    ids=["TERM to make", "TERM to the group", "INT to the group", "KILL of make", "KILL of the launcher"],
)
def test_every_process_is_gone_soon_after(tmp_path: Path, end: Callable[[int], None]) -> None:
    with rehearsal(tmp_path, ("make", "local")) as running:
        pids = all_pids(running.process.pid)
        end(running.process.pid)
        await_end(pids, GONE_SEC)


def test_the_state_directory_is_removed_at_the_end(tmp_path: Path) -> None:
    with rehearsal(tmp_path, TMPDIR=str(tmp_path)) as running:
        assert list(tmp_path.glob("avatar-rehearsal-*/packages/submit_job.zip"))
        running.process.terminate()
        assert running.process.wait(timeout=GONE_SEC) == 0
    assert not list(tmp_path.glob("avatar-rehearsal-*"))


def victim(launcher: int, part: str) -> int:
    return next(pid for pid in descendants(launcher) if part in command_of(pid))


def test_every_part_that_is_killed_starts_again_and_has_lost_nothing(tmp_path: Path, openapi: OpenApiValidator) -> None:
    with rehearsal(tmp_path, INSTANCES="2", TICK_SEC="1", WORKER_COMMAND=fake_worker.COMMAND) as running:
        app = App(running.ready, openapi)
        before = app.finished(app.submit()["id"])
        for part in KILLED:
            os.kill(victim(running.process.pid, part), signal.SIGKILL)
        ended = eventually(
            lambda: found if len(found := events(running.log.read_text(), "child_ended")) >= len(KILLED) else None,
            what="the end of every victim",
        )
        assert {event["exit_code"] for event in ended} == {-signal.SIGKILL}
        for event in ended:
            eventually(lambda: len(events(running.log.read_text(), "child_started", child=event["child"])) > 1)  # noqa: B023
        for url in (running.ready["api"], f"{running.ready['b2']}/_sim/state", f"{running.ready['salad']}/_sim/state"):
            eventually(lambda: answers(url), what=url)  # noqa: B023
        assert requests.get(app.read(before["id"])["output_url"], timeout=10).content == fake_worker.VIDEO
        assert app.finished(app.submit()["id"])["status"] == "succeeded"
        assert running.process.poll() is None


@pytest.mark.emulator
@pytest.mark.usefixtures("emulator_command")
def test_a_store_that_dies_ends_the_rehearsal_for_it_would_come_back_empty(tmp_path: Path) -> None:
    with rehearsal(tmp_path, STORE="firestore", REPLICAS="0") as running:
        pids = [running.process.pid, *descendants(running.process.pid)]
        os.kill(victim(running.process.pid, "CloudFirestore"), signal.SIGKILL)
        assert running.process.wait(timeout=GONE_SEC) == 1
        await_end(pids, GONE_SEC)
        assert events(running.log.read_text(), "child_died")


def test_standard_output_carries_the_ready_line_alone_and_the_log_no_secret(tmp_path: Path) -> None:
    with rehearsal(tmp_path, CLIENTS="alpha,beta") as running:
        ready = running.ready
        assert list(ready["api_keys"]) == ["alpha", "beta"]
        requests.get(f"{ready['api']}/v1/avatar/jobs/none", timeout=5)
        running.process.terminate()
        assert running.process.wait(timeout=GONE_SEC) == 0
        assert running.process.stdout is not None
        assert running.process.stdout.read() == b""
        log = running.log.read_text()
        secrets = [*ready["api_keys"].values(), *ready["callback_secrets"].values(), ready["salad_api_key"]]
        assert not [secret for secret in secrets if secret in log]


def test_two_rehearsals_live_side_by_side_and_a_port_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with rehearsal(tmp_path, REPLICAS="0") as first, rehearsal(tmp_path / "second", REPLICAS="0") as second:
        assert first.ready["api"] != second.ready["api"]
        taken = first.ready["api"].rpartition(":")[2]
        third = subprocess.run(
            LAUNCHER,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PORT": taken, "REPLICAS": "0"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (third.returncode, third.stdout) == (1, "")
    assert events(third.stderr, "gateway_port_taken")


def test_wrong_settings_end_it_at_once_with_one_message() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "infra.local.stack"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PORT": "high", "STORE": "oracle", "CLIENTS": "one"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (finished.returncode, finished.stdout) == (2, "")
    assert len(finished.stderr.splitlines()) == 1
    assert all(name in finished.stderr for name in ("PORT", "STORE", "CLIENTS"))
