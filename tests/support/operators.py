"""Runs the operators' command as a process of its own, with the interpreter of the tests."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.functions import API_KEY
from tests.support.salad_side import file_stands, result, webhook
from tests.support.system import System

ROOT = Path(__file__).parents[2]
OPS = (sys.executable, "-m", "infra.ops")


def ops(*arguments: str, environment: Mapping[str, str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs `./ops ARGUMENTS` with nothing in its environment but PATH, PYTHONPATH and what is given."""
    return subprocess.run(
        [*OPS, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": "functions:.", **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


QUERY = "X-Amz-Signature=0123456789abcdef"


Command = Callable[..., tuple[int, str, str]]


def document(jobs: Command, *arguments: str, also: tuple[str, ...] = ()) -> Any:
    """The JSON document of a command that succeeds."""
    code, out, _ = jobs(*arguments, "--json", also=also)
    assert code == 0, out
    return json.loads(out)


def submitted(system: System, *, key: str = API_KEY, headers: Mapping[str, str] | None = None, **changes: Any) -> Any:
    """A job with a callback and a signed video URL."""
    body = system.body(webhook_url=f"{system.app.url}/done?token=of-the-app", **changes)
    body["video_url"] += f"?{QUERY}"
    return system.submit(body, key=key, headers=headers).json


def succeeded(system: System) -> Any:
    """A succeeded job whose callback was delivered."""
    job = submitted(system)
    file_stands(system)
    webhook(system, job, result(job))
    assert system.read(job["id"]).json["webhook"]["state"] == "delivered"
    return job
