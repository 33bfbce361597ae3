"""Starts each function from nothing but its unpacked zip, through the console script that the cloud's image uses."""

import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from infra.local.ports import reserved_port
from infra.local.stack.credentials import draw_credentials
from infra.local.stack.environments import function_environment
from infra.local.stack.plan import Plan
from infra.local.stack.ports import choose_ports
from infra.local.stack.settings import read_settings
from infra.package import FUNCTIONS, ROOT, package_all

START_SEC = 30.0


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return package_all(ROOT / "functions", tmp_path_factory.mktemp("packages"))


@contextmanager
def started(function: str, package: Path, directory: Path, *, without: str = "") -> Iterator[tuple[int, int | None]]:
    """Gives the port and the exit code (None while it runs) once the function answers or has ended."""
    with zipfile.ZipFile(package) as archive:
        archive.extractall(directory)
    if without:
        shutil.rmtree(directory / without)
    port = reserved_port()
    settings = read_settings({})
    plan = Plan(settings, draw_credentials(settings.clients), choose_ports(0), directory)
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("functions-framework")), f"--target={function}", "--host=127.0.0.1",
         f"--port={port}"],
        cwd=directory,
        env={"PATH": os.environ["PATH"], **function_environment(function, plan, "whsec_" + "c2VjcmV0" * 6)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + START_SEC
        while process.poll() is None and not accepts(port) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield port, process.poll()
    finally:
        process.terminate()
        process.wait(timeout=30)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_unpacked_zip_serves(packages: dict[str, Path], tmp_path: Path, function: str) -> None:
    with started(function, packages[function], tmp_path) as (port, exit_code):
        assert exit_code is None
        answer = requests.get(f"http://127.0.0.1:{port}/none", timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found"


def test_the_shared_package_comes_from_the_zip_and_from_nowhere_else(packages: dict[str, Path], tmp_path: Path) -> None:
    with started("submit_job", packages["submit_job"], tmp_path, without="avatar_jobs") as (_, exit_code):
        assert exit_code not in (None, 0)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_real_package_holds_code_and_requirements_alone(packages: dict[str, Path], function: str) -> None:
    with zipfile.ZipFile(packages[function]) as archive:
        names = archive.namelist()
    others = [name for name in names if not (name.startswith("avatar_jobs/") and name.endswith(".py"))]
    assert others == ["main.py", "requirements.txt"]


def test_packing_twice_gives_the_same_bytes(packages: dict[str, Path], tmp_path: Path) -> None:
    for function, again in package_all(ROOT / "functions", tmp_path).items():
        assert again.read_bytes() == packages[function].read_bytes()
