"""What an undisturbed life of a job costs: a fixed small number of store operations and one Salad call."""

from collections import Counter
from typing import Any

import pytest

from avatar_jobs.adapters.sqlite_store import SqliteJobStore
from tests.functional.conftest import System
from tests.functional.test_webhook import file_stands, report, result, webhook


def test_an_undisturbed_life_takes_one_salad_call_two_reads_and_seven_writes(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: Counter[str] = Counter()
    for name, kind, documents in (("get", "reads", 1), ("_write", "writes", 1), ("create", "writes", 2)):
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

    assert counted == {"reads": 2, "writes": 7}
    assert len(system.salad.received) == 1
    assert len(system.app.received) == 1
    assert system.read(job["id"]).json["webhook"]["state"] == "delivered"
