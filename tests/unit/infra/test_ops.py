"""./ops: the launcher, the list of areas, and the text helpers that every command shares."""

import os
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.ops.__main__ import AREAS, main
from infra.ops.jobs import command
from infra.ops.terminal import aligned, cell, dollars, duration, pairs, table
from tests.support.operators import ROOT, ops


def launched(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a copy of ./ops from another folder."""
    return subprocess.run(
        [folder / "ops", *arguments],
        cwd=folder.parent,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder, with a blank in its name, that holds the launcher alone."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    shutil.copy(ROOT / "ops", folder / "ops")
    return folder


def test_the_launcher_runs_the_python_of_venv_with_both_folders_of_modules(clone: Path) -> None:
    python = clone / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$PYTHONPATH|$*"\nexit 3\n')
    python.chmod(0o755)
    done = launched(clone, "jobs", "list", "--client", "C")
    assert (done.returncode, done.stdout) == (3, f"{clone}/functions:{clone}|-m infra.ops jobs list --client C\n")


def test_without_venv_the_launcher_says_what_to_run(clone: Path) -> None:
    done = launched(clone, "jobs", "health")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"make -C '{clone}' setup" in done.stderr


@pytest.mark.parametrize("area", AREAS)
def test_every_area_is_listed_and_has_help_with_its_exit_codes(area: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], [area, "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert area in shown
        assert "Exit codes: 0 done" in shown


@pytest.mark.parametrize("arguments", [[], ["jobz"], ["--verbose"]])
def test_an_unknown_area_is_a_wrong_call(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: ./ops" in capsys.readouterr().err


def test_without_the_functions_on_the_path_it_leads_to_the_launcher() -> None:
    done = ops("jobs", "health", environment={"PYTHONPATH": "."})
    assert (done.returncode, "Run ./ops" in done.stderr) == (2, True)


def test_an_interruption_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", interrupted)
    assert main(["jobs", "health"]) == 1
    assert capsys.readouterr().err == "Interrupted.\n"


def test_tables_have_columns_of_equal_width_and_no_blanks_at_the_end() -> None:
    rows: list[dict[str, Any]] = [{"id": "a", "runs": [1, 2], "done": True}, {"id": "long", "done": None}]
    assert table(rows, ("id", "runs", "done")) == "id    runs  done\na     1 2   yes\nlong"
    assert table([], ("id", "runs")) == "id  runs"
    assert aligned([("n", "why"), ("10", "full")], to_the_right=True) == " n  why\n10  full"
    assert pairs({"id": "a", "status": "queued", "error": None, "runs": []}) == "id      a\nstatus  queued"
    assert pairs({}) == ""
    assert cell("\x1b[2Jx") == "?[2Jx"


def test_dollars_have_two_digits_and_more_only_where_they_count() -> None:
    shown = [dollars(Decimal(text)) for text in ("0", "1.5", "0.075", "0.0625", "1234.00001")]
    assert shown == ["0.00", "1.50", "0.075", "0.0625", "1234.00"]
    assert dollars(0.456, most_digits=2) == "0.46"


def test_durations_are_minutes_hours_or_days() -> None:
    assert [duration(text).total_seconds() for text in ("30m", "2h", "7d")] == [1800, 7200, 604_800]
