"""What an undisturbed life of a job costs: a fixed small number of store operations and one Salad call."""

import sqlite3
from collections import Counter
from typing import Any

import pytest

from avatar_jobs.adapters.sqlite_store import SqliteJobStore, SqliteSnapshotArchive, SqliteTickState
from tests.support.salad_side import file_stands, report, result, webhook
from tests.support.system import System


def test_an_undisturbed_life_takes_one_salad_call_two_reads_and_seven_writes(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: Counter[str] = Counter()
    kinds = (("get", "reads", 1), ("count_open", "counts", 1), ("_write", "writes", 1), ("create", "writes", 2))
    for name, kind, documents in kinds:
        original = getattr(SqliteJobStore, name)

        def counting(
            self: Any, *args: Any, original: Any = original, kind: str = kind, documents: int = documents
        ) -> Any:
            counted[kind] += documents
            return original(self, *args)

        monkeypatch.setattr(SqliteJobStore, name, counting)

    body = system.body(webhook_url=f"{system.app.url}/done")
    job = system.submit(body, headers={"Idempotency-Key": "k"}).json
    report(system, job)
    file_stands(system)
    webhook(system, job, result(job))

    assert counted == {"counts": 2, "reads": 2, "writes": 7}
    assert len(system.salad.sent) == 1
    assert len(system.app.received) == 1
    assert system.read(job["id"]).json["webhook"]["state"] == "delivered"


def steps_of_a_tick(system: System, monkeypatch: pytest.MonkeyPatch) -> tuple[Counter[str], int]:
    """Runs a tick; returns the store operations by name, and SQLite's own steps in thousands."""
    operations: Counter[str] = Counter()
    steps = 0
    connect = sqlite3.connect

    def counting_connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        connection = connect(*args, **kwargs)
        connection.set_progress_handler(step, 1000)
        return connection

    with monkeypatch.context() as patched:
        patched.setattr("avatar_jobs.adapters.sqlite_store.file.sqlite3.connect", counting_connect)
        names: dict[type, tuple[str, ...]] = {
            SqliteJobStore: ("get", "due", "_write", "count_open", "list_jobs", "overview", "open_jobs"),
            SqliteTickState: ("take_tick_lease", "fleet_state", "release_tick_lease"),
            SqliteSnapshotArchive: ("archive_snapshot", "archived_snapshots"),
        }
        for port, name in ((port, name) for port, of_port in names.items() for name in of_port):
            original = getattr(port, name)

            def counting(self: Any, *args: Any, original: Any = original, name: str = name) -> Any:
                operations[name] += 1
                return original(self, *args)

            patched.setattr(port, name, counting)
        assert system.tick().json["lease"] == "held"
    return operations, steps


def test_a_tick_costs_the_same_with_ten_and_with_a_hundred_thousand_jobs(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(10):
        system.submit()
    few = steps_of_a_tick(system, monkeypatch)
    with sqlite3.connect(system.environment["SQLITE_PATH"]) as connection:
        columns = "client, status, created_at, next_action_at, expires_at, version, body"
        connection.execute(
            f"INSERT INTO jobs (id, {columns}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
            f" WHERE i < 10000) SELECT id || '-' || i, {columns} FROM jobs, n"
        )
        # what is stored is finished: at most 5,000 jobs are open, and those are counted
        connection.execute("UPDATE jobs SET status = 'succeeded' WHERE id LIKE '%-%'")
        stored = connection.execute("SELECT count(*) FROM jobs").fetchone()[0]
    connection.close()
    many = steps_of_a_tick(system, monkeypatch)

    assert stored == 100_010
    # at Firestore open_jobs costs three reads, the others one each
    reads = {"take_tick_lease": 1, "fleet_state": 1, "due": 1, "open_jobs": 1}
    assert few[0] == many[0] == reads | {"archive_snapshot": 1, "release_tick_lease": 1}
    assert len([call for call in system.salad.received if call.method != "POST"]) == 2, "one Salad call a tick"
    assert many[1] <= few[1] + 1, "SQLite does no more work either"
