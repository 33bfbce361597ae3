"""Shows where the emulator is looked for, and that what is missing is named."""

from pathlib import Path

import pytest

from infra.local.firestore_emulator import MAIN_CLASS, EmulatorError, find_command


@pytest.fixture
def java(tmp_path: Path) -> Path:
    """A directory for the PATH with a `java` in it."""
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_without_java_the_message_says_so() -> None:
    with pytest.raises(EmulatorError, match="needs Java"):
        find_command({"PATH": "/nowhere"})


def test_without_the_jar_the_message_names_the_places_and_what_to_do(java: Path, tmp_path: Path) -> None:
    environment = {"PATH": str(java.parent), "FIRESTORE_EMULATOR_JAR": str(tmp_path / "none.jar")}
    with pytest.raises(EmulatorError, match=r"none\.jar.*gcloud components install cloud-firestore-emulator"):
        find_command(environment)


def test_the_named_jar_wins(java: Path, tmp_path: Path) -> None:
    jar = tmp_path / "emulator.jar"
    jar.touch()
    command = find_command({"PATH": str(java.parent), "FIRESTORE_EMULATOR_JAR": str(jar)})
    assert command[0] == str(java)
    assert command[-3:] == ["-cp", str(jar), MAIN_CLASS]


def test_the_emulator_of_gclouds_own_sdk_comes_first(java: Path, tmp_path: Path) -> None:
    jar = tmp_path / "sdk" / "platform" / "cloud-firestore-emulator" / "cloud-firestore-emulator.jar"
    jar.parent.mkdir(parents=True)
    jar.touch()
    gcloud = tmp_path / "sdk" / "bin" / "gcloud"
    gcloud.parent.mkdir()
    gcloud.write_text("#!/bin/sh\n")
    gcloud.chmod(0o755)
    (java.parent / "gcloud").symlink_to(gcloud)
    assert str(jar) in find_command({"PATH": str(java.parent), "HOME": str(tmp_path)})
