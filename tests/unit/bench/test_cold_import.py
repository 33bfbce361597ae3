"""The cold-import probe: it sees clients that an import opens and imports that fail; a high ratio is a miss."""

import os
from pathlib import Path

import pytest

from bench.cold_import import LIBRARIES_NAME, ImportFailedError, Samples, Subject, import_once, report

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def subject(tmp_path: Path, code: str) -> Subject:
    return Subject("subject", code, tmp_path, ENVIRONMENT)


def test_an_import_is_timed_in_a_fresh_process(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import time\ntime.sleep(0.05)\n")
    milliseconds, cpu_milliseconds, modules = import_once(subject(tmp_path, "import main\n"))
    assert 50 <= milliseconds < 5000
    assert cpu_milliseconds < milliseconds
    assert modules > 0


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("import socket\nwith socket.socket() as client:\n    client.connect_ex(('127.0.0.1', 1))\n", "socket.connect"),
        ("import socket\nsocket.getaddrinfo('127.0.0.1', 80)\n", "socket.getaddrinfo"),
        ("import grpc\nchannel = grpc.insecure_channel('127.0.0.1:1')\n", "grpc.Channel"),
    ],
)
def test_an_import_that_opens_a_client_is_refused(tmp_path: Path, code: str, seen: str) -> None:
    with pytest.raises(ImportFailedError, match=seen):
        import_once(subject(tmp_path, code))


def test_an_import_that_fails_is_reported_with_its_error(tmp_path: Path) -> None:
    with pytest.raises(ImportFailedError, match="no_such_module"):
        import_once(subject(tmp_path, "import no_such_module\n"))


@pytest.mark.parametrize(("milliseconds", "met"), [(130.0, True), (131.0, False)])
def test_the_ratio_of_the_fastest_imports_decides(milliseconds: float, met: bool) -> None:
    samples = {LIBRARIES_NAME: Samples([100.0, 900.0], [1.0]), "submit_job": Samples([milliseconds, 999.0], [1.0])}
    assert report("sqlite", samples)[1] is met
