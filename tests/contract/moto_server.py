"""Starts moto's S3 server as a process of its own, for the tests that want a second, foreign bucket."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.support.waiting import eventually

START_SEC = 60.0  # it imports botocore and flask; a loaded machine takes many seconds
ADDRESS = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")
EVERYTHING_IS_ALLOWED = "inf"  # how many calls moto lets pass before it looks at keys


class RunningMoto:
    """A moto server that answers; origin has no trailing slash."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    @contextmanager
    def refusing_unknown_keys(self) -> Iterator[None]:
        """While the block runs, a call whose key moto's IAM does not know is refused."""
        self._pass_calls("0")
        try:
            yield
        finally:
            self._pass_calls(EVERYTHING_IS_ALLOWED)

    def _pass_calls(self, number: str) -> None:
        answer = requests.post(f"{self.origin}/moto-api/reset-auth", data=number, timeout=10)
        assert answer.ok, answer.text


@contextmanager
def running_moto(directory: Path) -> Iterator[RunningMoto]:
    """Starts one on a free port, with its log in `directory`, and ends it afterwards."""
    log = directory / "moto.log"
    with log.open("wb") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"},
            stdout=log_file,
            stderr=log_file,
        )
    try:
        yield RunningMoto(_address(process, log))
    finally:
        process.terminate()
        process.wait(timeout=10)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    eventually(lambda: ADDRESS.search(log.read_text()) or process.poll() is not None, START_SEC, "moto's start")
    found = ADDRESS.search(log.read_text())
    assert found, f"moto ended: {log.read_text()[-2000:]}"
    return found[1]
