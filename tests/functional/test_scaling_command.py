"""`./ops scaling explain` shows from the archive what the rule saw, what it did, and why."""

import subprocess
from pathlib import Path

from PIL import Image

from tests.support.operators import ops
from tests.support.scaling import group, minute, salad_has
from tests.support.system import System


def explain(system: System, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command on the system's store."""
    own = {name: system.environment[name] for name in ("STORE", "SQLITE_PATH")}
    return ops("scaling", "explain", *arguments, environment=own)


def test_table_and_picture_show_what_was_seen_what_was_done_and_why(scaled: System, tmp_path: Path) -> None:
    scaled.move_clock(-600)  # the command reads the real clock
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 0))
    minute(scaled)
    salad_has(scaled, 8, group("avatar-3060", 1), group("avatar-3080", 5, running=2))
    minute(scaled)
    picture = tmp_path / "day.png"
    done = explain(scaled, "--since", "30m", "--png", str(picture))
    assert done.returncode == 0, done.stderr
    heading, first, second, where = done.stdout.splitlines()
    assert heading.split()[:3] == ["time", "(UTC)", "queue"]
    assert "avatar-3080 -> 5" in first
    assert "avatar-3080: hold" in second
    assert second.split()[2:10] == ["8", "0", "0", "-", "5", "5", "5", "2"]
    assert where == f"picture: {picture}"
    with Image.open(picture) as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(100_000) or []}
    assert {(31, 119, 180), (255, 127, 14)} <= colours, "the lines of queue and replicas"

    only = explain(scaled, "--since", "30m", "--changes")
    assert len(only.stdout.splitlines()) == 2


def test_an_empty_archive_and_a_wrong_call_are_reported(scaled: System) -> None:
    scaled.stores().tick_state.fleet_state()
    nothing = explain(scaled, "--since", "30m")
    assert (nothing.returncode, "No tick" in nothing.stderr) == (1, True)
    wrong = explain(scaled, "--since", "soon")
    assert (wrong.returncode, "30m, 2h or 7d" in wrong.stderr) == (2, True)
