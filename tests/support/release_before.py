"""The functions of the release before, from the repository's history, each in a process with that release's code."""

import base64
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.functions import Reply

ROOT = Path(__file__).parents[2]
# 0.1.0. Move it to the commit of each new release: two releases run side by side in a deploy, three never do.
RELEASE_BEFORE = "e1e11bcd1eaaa2af6c6cc7532ef558fb46cc35d1"
CALL = """
import base64, json, sys
from datetime import UTC, datetime, timedelta
import functions_framework
from avatar_jobs.bootstrap import common
asked = json.load(sys.stdin)
common.utc_now = lambda: datetime.now(UTC) + timedelta(seconds=asked["offset"])
client = functions_framework.create_app(asked["name"], asked["source"]).test_client()
body = base64.b64decode(asked["body"])
answer = client.open(asked["path"], method=asked["method"], data=body, headers=asked["headers"])
text = base64.b64encode(answer.get_data()).decode()
print("ANSWER " + json.dumps({"status": answer.status_code, "headers": dict(answer.headers), "body": text}))
"""


def unpacked_release(folder: Path) -> Path:
    """Unpacks that release's functions into a folder and returns it; skips the test where the history is missing."""
    packed = subprocess.run(
        ["git", "archive", "--format=tar", RELEASE_BEFORE, "functions"], cwd=ROOT, capture_output=True, check=False
    )
    if packed.returncode != 0:
        reason = f"NO HISTORY in this clone, so the release before did not run beside this one: {packed.stderr!r}"
        pytest.skip(reason)
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "functions"


class FunctionOfRelease:
    """One function of an unpacked release; it answers each call in a new process, as a new instance would.

    environment: the settings of the function; offset: returns by how much its clock was moved.
    """

    def __init__(
        self, name: str, functions: Path, environment: Mapping[str, str], offset: Callable[[], timedelta]
    ) -> None:
        self._name = name
        self._functions = functions
        self._environment = environment
        self._offset = offset
        self.written = ""  # the log lines of the last call

    def call(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Sends one request. Its answer has the form of its release, so it is not held against the API's document."""
        sent = dict(headers or {})
        if json_body is not None:
            body = json.dumps(json_body).encode()
            sent.setdefault("Content-Type", "application/json")
        asked = {
            "name": self._name,
            "source": str(self._functions / self._name / "main.py"),
            "method": method,
            "path": path,
            "headers": sent,
            "offset": self._offset().total_seconds(),
            "body": base64.b64encode(body or b"").decode(),
        }
        ran = subprocess.run(
            [sys.executable, "-c", CALL],
            cwd=self._functions,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self._functions), **self._environment},
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        self.written, _, answer = ran.stdout.rpartition("ANSWER ")
        read = json.loads(answer)
        return Reply(read["status"], read["headers"], base64.b64decode(read["body"]))
