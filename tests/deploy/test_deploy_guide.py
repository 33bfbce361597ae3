"""Runs the commands of docs/deploy.md that need no cloud: the packages, and the fleet's creation and removal."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.tools.package import FUNCTIONS, ROOT
from tests.support.salad_sim import API_KEY, simulator

PAGE = (ROOT / "docs" / "deploy.md").read_text()


def commands(mark: str) -> list[str]:
    """Returns the commands of the one block under a mark."""
    (block,) = re.findall(rf"<!-- run: {mark} -->\n```\n(.*?)```", PAGE, re.DOTALL)
    return [line for line in block.splitlines() if line]


def run(command: str, **variables: str) -> str:
    """Runs one command of the page and returns its output; `./ops` with this Python, not with the one in .venv."""
    command = command.replace("./ops ", "PYTHONPATH=functions:. python -m infra.ops ")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env={"PATH": path, "HOME": os.environ.get("HOME", "/"), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_the_packages_are_made() -> None:
    (command,) = commands("package")
    assert command == "make package"
    said = run("python -m infra.tools.package --out build")  # what make calls; make itself would set up its environment
    assert "-m infra.tools.package --out build" in (ROOT / "Makefile").read_text()
    assert said.count("function_packaged") == len(FUNCTIONS)
    assert all((ROOT / "build" / f"{name}.zip").is_file() for name in FUNCTIONS)


def test_the_commands_of_the_page_create_and_destroy_the_fleet() -> None:
    up, down = commands("fleet"), commands("down")
    assert (len(up), len(down)) == (4, 2)
    with simulator(SALAD_SIM_ORGANIZATION="acme", SALAD_SIM_PROJECT="avatar") as salad:
        variables = {"SALAD_API_URL": f"{salad.origin}/api/public", "SALAD_API_KEY": API_KEY}
        plan = run(up[0], **variables)
        assert salad.state()["groups"] == [], "a plan changes nothing"
        assert "$" in plan, "prices are shown"
        run(up[1], **variables)
        made = {one["name"] for one in salad.state()["groups"]}
        assert made == {"avatar-3060", "avatar-3080"}
        calls = salad.state()["calls"]
        again = run(up[2], **variables)
        after = salad.state()["calls"]
        assert "othing to" in again
        assert {
            name for name in after if after[name] != calls.get(name, 0) and not name.startswith(("get_", "list_"))
        } == set()
        assert all(name in run(up[3], **variables) for name in made)
        run(down[0], **variables)
        assert salad.state()["groups"] == []
        assert "othing" in run(down[1], **variables)


@pytest.mark.parametrize("pattern", [r"`(avatar-[a-z0-9-]+)` \|", r"add (avatar-[a-z0-9-]+)"])
def test_the_secrets_of_the_page_are_those_that_terraform_makes(pattern: str) -> None:
    keys = re.findall(r"^      (\w+) += \"", (ROOT / "infra" / "terraform" / "secrets.tf").read_text(), re.MULTILINE)
    made = {f"avatar-{key.replace('_', '-')}" for key in [*keys, "b2_mint_app_key"]}
    named = set(re.findall(pattern, PAGE))
    assert named
    assert named <= made
