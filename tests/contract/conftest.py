"""The places where the store contract runs: a SQLite file, and a fresh project in the Firestore emulator."""

import secrets
from pathlib import Path

import pytest

from tests.support.stores import Place


@pytest.fixture(params=["sqlite", pytest.param("firestore", marks=pytest.mark.emulator)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty store of each kind."""
    if request.param == "sqlite":
        return ("sqlite", str(tmp_path / "jobs.sqlite"))
    address = request.getfixturevalue("firestore_emulator")
    return ("firestore", f"{address} test-{secrets.token_hex(4)}")
