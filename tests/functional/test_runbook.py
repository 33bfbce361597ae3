"""docs/runbook.md can be followed: its commands run, its log events exist, its links lead somewhere."""

import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

from tests.support.operators import Command, ops, submitted, succeeded
from tests.support.system import System

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
FLOWING = re.sub(r"\s+", " ", RUNBOOK)


def commands() -> list[list[str]]:
    """The arguments of every `./ops jobs ...` in the page, as a shell splits them."""
    blocks = re.findall(r"^    (\./ops jobs [^#\n]*)", RUNBOOK, re.MULTILINE)
    inline = re.findall(r"`(\./ops jobs [^`]*)`", FLOWING)
    found = {tuple(shlex.split(line)[2:]) for line in (*blocks, *inline)}
    return sorted(list(one) for one in found)


def test_the_page_uses_every_command() -> None:
    used = Counter(arguments[0] for arguments in commands())
    assert set(used) == {
        "show", "timeline", "list", "find", "overdue", "unreadable", "health", "requeue", "cancel", "redeliver",
    }  # fmt: skip


def test_every_log_event_of_the_page_is_written_somewhere_in_the_code() -> None:
    named = set(re.findall(r"`event=([a-z_]+)`", RUNBOOK)) - {"name"}
    places = [*(ROOT / "functions" / "avatar_jobs").rglob("*.py"), *(ROOT / "gpu_worker").rglob("*.py")]
    source = "\n".join(path.read_text() for path in places)
    assert len(named) > 10
    assert sorted(event for event in named if f'"{event}"' not in source) == []


def test_every_alarm_of_the_code_is_in_the_page() -> None:
    places = (ROOT / "functions" / "avatar_jobs").rglob("*.py")
    alarms = {name for path in places for name in re.findall(r'log\(\s*"([a-z_]+)",\s*level="alarm"', path.read_text())}
    assert alarms
    assert sorted(alarm for alarm in alarms if f"`event={alarm}`" not in RUNBOOK) == []


def test_every_event_of_severity_error_leads_to_a_section() -> None:
    section = RUNBOOK.split("## Which event leads where\n")[1].split("\n## ")[0]
    places = (ROOT / "functions" / "avatar_jobs").rglob("*.py")
    source = "".join(path.read_text() for path in places)
    errors = set(re.findall(r'log\(\s*"([a-z_]+)",\s*level="(?:alarm|error)"', source))
    assert len(errors) > 10
    assert sorted(event for event in errors if f"`event={event}`" not in section) == []


def test_links_within_the_page_lead_to_its_headings() -> None:
    headings = re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}
    linked = set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK))
    assert linked
    assert linked - anchors == set()


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_every_command_of_the_page_does_what_it_says_on_a_real_store(
    system: System,
    jobs: Command,
    arguments: list[str],
) -> None:
    headers = {"Idempotency-Key": "K", "X-Request-Id": "R"}
    job = succeeded(system) if arguments[0] == "redeliver" else submitted(system, headers=headers)
    system.move_clock(300)
    filled = [{"ID": job["id"], "C": "studio", "N": "5"}.get(word, word) for word in arguments]
    code, out, err = jobs(*filled, answer="y\n", also=("API_CLIENTS",))
    assert code == 0, out + err
    assert out


@pytest.mark.parametrize("command", sorted({arguments[0] for arguments in commands()}))
def test_every_command_of_the_page_has_help_as_a_process(command: str) -> None:
    shown = ops("jobs", command, "--help", environment={})
    assert shown.returncode == 0, shown.stderr
    assert f"usage: ./ops jobs {command}" in shown.stdout
    assert f"example: ./ops jobs {command}" in shown.stdout
