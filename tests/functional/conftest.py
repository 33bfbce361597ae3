"""Fixtures of the control plane: the four functions on one store, scaled, with a storage account, under operators."""

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from infra.ops.jobs.command import run
from tests.support.b2_sim import APP_KEY, BUCKET, KEY_ID, REGION, RunningB2, running_b2_sim
from tests.support.operators import Command
from tests.support.scaling import GROUPS, group, salad_has
from tests.support.system import System, system

__all__ = ["system"]  # a fixture


@pytest.fixture
def scaled(system: System) -> System:
    """A control plane that scales one group beside a fixed one."""
    system.environment |= {"SCALE_GROUPS": json.dumps(GROUPS)}
    salad_has(system, 0, group("avatar-3060", 1), group("avatar-3080", 0))
    return system


@pytest.fixture
def b2(tmp_path: Path) -> Iterator[RunningB2]:
    """A storage account."""
    with running_b2_sim(tmp_path / "b2") as running:
        yield running


@pytest.fixture
def keyed(system: System, b2: RunningB2) -> System:
    """The control plane with a key for each attempt."""
    system.environment |= {
        "WORKER_UPLOAD_KEYS": "per_job",
        "B2_MINT_KEY_ID": KEY_ID,
        "B2_MINT_APP_KEY": APP_KEY,
        "B2_API_URL": b2.origin,
        "B2_KEY_ID": KEY_ID,
        "B2_APP_KEY": APP_KEY,
        "B2_BUCKET_NAME": BUCKET,
        "B2_S3_ENDPOINT": b2.origin,
        "B2_REGION": REGION,
    }
    return system


@pytest.fixture
def jobs(system: System, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command with nothing but the store's settings (and others by name); gives code, output, error output."""

    def call(*arguments: str, answer: str = "", also: tuple[str, ...] = ()) -> tuple[int, str, str]:
        wanted = {name: system.environment[name] for name in ("STORE", "SQLITE_PATH", *also)}
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        capsys.readouterr()
        with mock.patch.dict(os.environ, wanted):
            code = run(arguments)
        written = capsys.readouterr()
        return code, written.out, written.err

    return call
