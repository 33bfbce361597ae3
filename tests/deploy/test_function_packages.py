"""Each function starts from its unpacked zip alone, through the console script that the cloud's image uses."""

import os
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.local.ports import reserved_port
from infra.local.stack.environments import function_environment
from infra.local.stack.plan import Plan, choose_ports, draw_credentials
from infra.local.stack.settings import read_settings
from infra.tools.package import FUNCTIONS, ROOT, package_all
from tests.deploy.deployed import deployed_environment
from tests.support.waiting import eventually

START_SEC = 60.0


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return package_all(ROOT / "functions", tmp_path_factory.mktemp("packages"))


@contextmanager
def started(
    function: str, package: Path, directory: Path, environment: Mapping[str, str], *, without: str = ""
) -> Iterator[tuple[int, int | None]]:
    """Returns the port and the exit code (None while it runs) once the function answers or has ended.

    environment: all that the process gets, beside PATH and what the cloud's image sets.
    """
    with zipfile.ZipFile(package) as archive:
        archive.extractall(directory)
    if without:
        shutil.rmtree(directory / without)
    port = reserved_port()
    of_the_image = {"FUNCTION_TARGET": function, "FUNCTION_SIGNATURE_TYPE": "http", "PORT": str(port)}
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("functions-framework")), "--host=127.0.0.1"],
        cwd=directory,
        env={"PATH": os.environ["PATH"], **of_the_image, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: process.poll() is not None or accepts(port), START_SEC, f"the start of {function}")
        yield port, process.poll()
    finally:
        process.terminate()
        process.wait(timeout=30)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def rehearsed_environment(function: str, directory: Path) -> dict[str, str]:
    """Returns the environment that the rehearsal gives a function, with a store in a file."""
    settings = read_settings({})
    plan = Plan(settings, draw_credentials(settings.clients), choose_ports(0), directory)
    return dict(function_environment(function, plan, "whsec_" + "c2VjcmV0" * 6))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_unpacked_zip_serves_with_only_the_variables_that_the_cloud_sets(
    packages: dict[str, Path], plan: dict[str, Any], tmp_path: Path, function: str
) -> None:
    of_cloud_run = {
        "K_SERVICE": f"avatar-{function}",
        "K_REVISION": "r-1",
        "K_CONFIGURATION": "c",
        "HOME": str(tmp_path / "home"),
    }
    environment = {**of_cloud_run, **deployed_environment(plan, function)}
    with started(function, packages[function], tmp_path, environment) as (port, exit_code):
        assert exit_code is None
        answer = requests.get(f"http://127.0.0.1:{port}/none", timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found"


def test_the_shared_package_comes_from_the_zip_and_from_nowhere_else(packages: dict[str, Path], tmp_path: Path) -> None:
    environment = rehearsed_environment("submit_job", tmp_path)
    with started("submit_job", packages["submit_job"], tmp_path, environment, without="avatar_jobs") as (_, exit_code):
        assert exit_code not in (None, 0)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_real_package_contains_only_code_and_requirements(packages: dict[str, Path], function: str) -> None:
    with zipfile.ZipFile(packages[function]) as archive:
        names = archive.namelist()
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}, "zlibs differ"
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}
    others = [name for name in names if not (name.startswith("avatar_jobs/") and name.endswith(".py"))]
    assert others == ["main.py", "requirements.txt"]


def test_packing_twice_gives_the_same_bytes(packages: dict[str, Path], tmp_path: Path) -> None:
    for function, again in package_all(ROOT / "functions", tmp_path).items():
        assert again.read_bytes() == packages[function].read_bytes()
