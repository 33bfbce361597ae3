"""Runs the operators' command as a process of its own, with the interpreter of the tests."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

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
