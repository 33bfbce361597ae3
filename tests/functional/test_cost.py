"""What an undisturbed job costs: a fixed small number of store operations and one Salad call."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from avatar_jobs.adapters import sqlite_store
from avatar_jobs.adapters.sqlite_store import SqliteFile
from tests.support.events import events
from tests.support.salad_side import file_stands, report, result, webhook
from tests.support.system import System


def test_an_undisturbed_job_takes_one_salad_call_two_reads_and_seven_writes(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    body = system.body(webhook_url=f"{system.app.url}/done")
    with system.watch.counting() as counted:
        job = system.submit(body, headers={"Idempotency-Key": "k"}).json
        report(system, job)
        file_stands(system)
        webhook(system, job, result(job))

    assert counted == {"count_open": 2, "create": 2, "get": 2, "write": 5}
    assert events(capsys.readouterr().out, "store_conflict") == [], "a conflict would cost a read and a write more"
    assert len(system.salad.sent) == 1
    assert len(system.app.received) == 1
    assert system.read(job["id"]).json["webhook"]["state"] == "delivered"


class CountingFile(SqliteFile):
    """An SQLite file that counts SQLite's own steps in hundreds, over all connections."""

    steps = 0

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """See SqliteFile.transaction."""
        with super().transaction(write=write) as connection:
            connection.set_progress_handler(self._count, 100)
            yield connection

    def _count(self) -> int:
        CountingFile.steps += 1
        return 0


def cost_of_a_tick(system: System) -> tuple[Counter[str], int]:
    """Runs a tick; returns the store operations by name, and SQLite's own steps in hundreds."""
    before = CountingFile.steps
    with system.watch.counting() as operations:
        assert system.tick().json["lease"] == "held"
    return operations, CountingFile.steps - before


def test_a_tick_costs_the_same_with_ten_and_with_a_hundred_thousand_jobs(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "SqliteFile", CountingFile)
    for _ in range(10):
        system.submit()
    few = cost_of_a_tick(system)
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
    many = cost_of_a_tick(system)

    assert stored == 100_010
    # at Firestore open_jobs costs three reads, the others one each
    reads = {"take_tick_lease": 1, "fleet_state": 1, "due": 1, "open_jobs": 1}
    assert few[0] == many[0] == reads | {"archive_snapshot": 1, "release_tick_lease": 1}
    assert len([call for call in system.salad.received if call.method != "POST"]) == 2, "one Salad call a tick"
    assert 0 < many[1] <= few[1] + 10, "SQLite does no more work either"
