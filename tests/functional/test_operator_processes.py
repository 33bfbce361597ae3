"""./ops jobs works as a process of its own, and on Firestore."""

import os
import subprocess
from unittest import mock

import pytest

from tests.support.operators import Command, document, ops, submitted
from tests.support.system import System
from tests.support.waiting import eventually


def process(system: System, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the command as an operator does, with only the store's settings in its environment."""
    environment = {name: system.environment[name] for name in ("STORE", "SQLITE_PATH")}
    return ops("jobs", *arguments, environment=environment, stdin=stdin)


def test_as_a_process_it_asks_changes_the_job_and_returns_the_exit_code(system: System) -> None:
    job = submitted(system)
    asked = process(system, "cancel", job["id"], stdin="y\n")
    assert asked.returncode == 0, asked.stderr
    assert job["id"] in asked.stdout
    assert system.read(job["id"]).json["cancel_requested_at"] is not None
    missing = process(system, "show", "../../etc/passwd")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("There is no job")
    wrong = process(system, "overdue", "--seconds", "soon")
    assert wrong.returncode == 2
    assert "Traceback" not in missing.stderr + wrong.stderr


def submitted_id(system: System, key: str) -> str | None:
    """Returns the id of the key's job, None when the store was unavailable."""
    job: dict[str, str] = submitted(system, headers={"Idempotency-Key": key})
    return job.get("id")


@pytest.mark.emulator
def test_the_commands_work_on_firestore_too(firestore_emulator: str, system: System, jobs: Command) -> None:
    system.environment.update(
        STORE="firestore", FIRESTORE_PROJECT="operators", FIRESTORE_EMULATOR_HOST=firestore_emulator
    )
    also = ("FIRESTORE_PROJECT", "FIRESTORE_EMULATOR_HOST", "API_CLIENTS")
    with mock.patch.dict(os.environ, {"FIRESTORE_EMULATOR_HOST": firestore_emulator}):
        # The emulator's first answer may take longer than the store's 5 s; apps repeat with their key, this does too.
        wanted = eventually(lambda: submitted_id(system, "order-7"), 60, "a job in the emulator")
    system.move_clock(61)
    assert [line["id"] for line in document(jobs, "find", "--key", "order-7", also=also)["jobs"]] == [wanted]
    assert str(wanted) in jobs("list", "--status", "queued", also=also)[1]
    assert document(jobs, "requeue", str(wanted), "--yes", also=also)["changes"][0]["done"]
    system.move_clock(300)
    assert [line["id"] for line in document(jobs, "overdue", also=also)["jobs"]] == [wanted]
    assert document(jobs, "health", also=also)["jobs"]["queued"] == 1
