"""An unavailable job store: a problem document within 6 s, and nothing half written."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from avatar_jobs.domain.errors import StorageUnavailableError
from tests.support.system import System
from tests.support.waiting import within


@pytest.fixture(params=["nobody listens", "accepts and never answers"])
def dead_address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Returns host:port of a Firestore that is unavailable in one of two ways."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param != "nobody listens":
            listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_every_function_answers_503_within_six_seconds(
    system: System, dead_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", dead_address)
    system.environment |= {"STORE": "firestore", "FIRESTORE_PROJECT": "away"}
    for name in ("submit_job", "job_status", "scale_tick"):
        system.function(name)  # loading is not part of the answer

    for call in (system.submit, lambda: system.read("0" * 32), system.tick):
        with within(6):
            reply = call()
        assert (reply.status, reply.json["code"]) == (503, "storage_unavailable")
        assert reply.headers["Retry-After"] == "5"
        assert reply.json["detail"] == (
            "The job store is unavailable; nothing was written. Send the same request again in 5 seconds."
        )
    assert system.salad.sent == []


def test_a_sqlite_file_that_cannot_be_opened_is_a_503(system: System, tmp_path: Path) -> None:
    system.environment["SQLITE_PATH"] = str(tmp_path / "no folder" / "jobs.sqlite")
    reply = system.submit()
    assert (reply.status, reply.json["code"]) == (503, "storage_unavailable")
    assert system.salad.sent == []


def test_a_job_whose_write_was_not_confirmed_is_not_called_unwritten(system: System) -> None:
    lost = StorageUnavailableError("the answer was lost", may_have_written=True)
    with system.watch.failing("create", error=lost):
        reply = system.submit()
    assert (reply.status, reply.json["code"]) == (503, "storage_unavailable")
    assert "may be stored" in reply.json["detail"]
    assert "nothing was written" not in reply.json["detail"]
