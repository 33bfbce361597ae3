"""The fleet command's exit codes, where it writes the reason, and what it says after an interruption."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.ops.fleet.command import Surroundings, run
from tests.support.salad_fleet import document, text_of

WITH_KEY = {"SALAD_API_KEY": "the-key"}


class Interrupted:
    """A transport whose call the person interrupts."""

    def call(self, *arguments: Any) -> Any:
        """Raises KeyboardInterrupt."""
        raise KeyboardInterrupt


def said(arguments: list[str], environment: Mapping[str, str] = WITH_KEY) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    around = Surroundings(
        environment=environment, answers=io.StringIO(), out=out, err=err, transport=lambda settings: Interrupted()
    )
    return run(arguments, around), out.getvalue(), err.getvalue()


def test_a_file_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    code, out, err = said(["plan", "--file", str(tmp_path / "none.yaml")])
    assert (code, out, err) == (2, "", "none.yaml: cannot be read (FileNotFoundError)\n")


def test_every_fault_of_the_file_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(text_of(document(organization="A", project="B")))
    code, _, err = said(["status", "--file", str(path)])
    assert (code, [line.partition(": must")[0] for line in err.splitlines()]) == (
        2, ["fleet.yaml: organization", "fleet.yaml: project"],
    )  # fmt: skip


def test_with_json_the_reason_is_one_json_document(tmp_path: Path) -> None:
    code, out, err = said(["plan", "--json", "--file", str(tmp_path / "none.yaml")])
    assert (code, json.loads(out), err) == (2, {"error": "none.yaml: cannot be read (FileNotFoundError)"}, "")


def test_settings_are_checked_before_the_file(tmp_path: Path) -> None:
    code, _, err = said(["apply", "--file", str(tmp_path / "none.yaml")], {})
    assert (code, err) == (2, "SALAD_API_KEY is not set: make a key in Salad's portal\n")


def test_an_interruption_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(text_of(document()))
    assert said(["apply", "--yes", "--file", str(path)]) == (
        1, "", "Interrupted. Run it again: it does what is left.\n",
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [[], ["applly"], ["plan", "--yes"], ["destroy", "--group"]])
def test_a_wrong_call_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        said(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err
