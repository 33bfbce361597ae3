"""What every test gets: a clean environment, the OpenAPI validator, and the Firestore emulator where it exists."""

import os
from collections.abc import Iterator

import pytest

from infra.local import firestore_emulator as firestore_emulator_process
from infra.local.ports import reserved_port
from tests.support.openapi import OpenApiValidator

KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SALAD_QUEUE_WORKER", "FIRESTORE_EMULATOR_JAR", "JAVA_HOME", "CI")

LONG = ("e2e", "deploy")  # folders


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Brings the files that take minutes to the front: started last, one would keep the run waiting at its end."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the machine's settings from the environment of every test."""
    for name in list(os.environ):
        if name not in KEPT and not name.startswith(("COVERAGE", "COV_", "PYTEST")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def openapi() -> OpenApiValidator:
    """The validator that every answer of the API passes."""
    return OpenApiValidator()


@pytest.fixture(scope="session")
def emulator_command() -> list[str]:
    """The emulator's command; skips with a message where it is not installed, and fails in CI."""
    try:
        return firestore_emulator_process.find_command(os.environ)
    except firestore_emulator_process.EmulatorError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the Firestore emulator: {error}")
        pytest.skip(f"NO FIRESTORE EMULATOR, the Firestore half of the tests did not run: {error}")


@pytest.fixture(scope="session")
def firestore_emulator(emulator_command: list[str]) -> Iterator[str]:
    """host:port of one emulator for the whole run."""
    port = reserved_port()
    process = firestore_emulator_process.start(emulator_command, port, os.environ)
    try:
        firestore_emulator_process.wait_until_ready(process, port)
        yield f"127.0.0.1:{port}"
    finally:
        firestore_emulator_process.stop(process)
