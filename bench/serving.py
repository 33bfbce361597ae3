"""Starts what a benchmark measures: functions from their unpacked packages, the bare function, the fake Salad."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from bench.load import LoadError, wait_until
from infra.local import firestore_emulator
from infra.local.processes import NEW_GROUP, kill_group, spawn
from infra.local.stack.children import answers
from infra.local.stack.environments import machine_environment
from infra.local.stack.plan import Plan, choose_ports, draw_credentials
from infra.local.stack.settings import read_settings
from infra.tools.package import package_files, write_package

START_SEC = 60.0  # a loaded machine imports Google's libraries slowly
PROBE_SEC = 5.0
STOP_SEC = 5.0
LOG_BYTES_SHOWN = 2000
# A function logs to a pipe in the cloud; here to a file, so that a slow terminal is not what is measured. The shell
# becomes the command: it leaves no process between us and it.
TO_LOG = 'log="$1"; shift; exec "$@" >"$log" 2>&1'


@dataclass(frozen=True)
class Served:
    """A function that runs: its origin, and the process group of its server."""

    origin: str
    process_group: int

    def cpu_sec(self) -> float:
        """CPU seconds, user and system, that the processes of the group have used so far (proc(5), /proc/PID/stat)."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # a process that ended while we looked
                # the name in parentheses may hold anything; after it: state, parent, group, ...
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.process_group:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def unpacked(functions: Path, function: str, directory: Path) -> Path:
    """Packs one function of the folder `functions` as it is deployed, unpacks it below `directory`, gives the place."""
    package, place = directory / f"{function}.zip", directory / "unpacked" / function
    write_package(package_files(functions, function), package)
    with zipfile.ZipFile(package) as archive:
        archive.extractall(place)  # our own zip of a moment ago
    return place


def plan_for(store: str, clients: Sequence[str], directory: Path) -> Plan:
    """Draws ports, keys and places as the rehearsal does, so that a function gets the rehearsal's settings."""
    settings = read_settings({"STORE": store, "CLIENTS": ",".join(clients), "UPLOAD_KEYS": "node"})
    return Plan(settings, draw_credentials(settings.clients), choose_ports(0), directory)


def base_environment() -> dict[str, str]:
    """What every child inherits of the machine."""
    return machine_environment(os.environ)


@contextmanager
def running(
    name: str, command: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path, ready_url: str
) -> Iterator[int]:
    """Runs a server for the length of the block, once `ready_url` gives any answer; returns its process group.

    Raises LoadError with its log's end when it does not start.
    """
    wrapped = ["/bin/sh", "-c", TO_LOG, name, str(log), *command]
    process = spawn(wrapped, environment, directory, process_group=NEW_GROUP)
    try:
        wait_until(lambda: process.poll() is not None or answers(ready_url), START_SEC)
        if process.poll() is not None or not answers(ready_url):
            raise LoadError(f"{name} did not start:\n{log.read_text(errors='replace')[-LOG_BYTES_SHOWN:]}")
        yield process.pid
    finally:
        _stop(process)


@contextmanager
def served(target: str, directory: Path, port: int, environment: Mapping[str, str], log: Path) -> Iterator[Served]:
    """Serves the main.py in `directory` through the framework's console script, as the cloud does."""
    framework = str(Path(sys.executable).with_name("functions-framework"))
    command = [framework, f"--target={target}", "--source=main.py", "--host=127.0.0.1", f"--port={port}"]
    origin = f"http://127.0.0.1:{port}"
    with running(target, command, environment, directory, log, f"{origin}/") as process_group:
        yield Served(origin, process_group)


@contextmanager
def firestore(port: int, directory: Path) -> Iterator[None]:
    """Runs Google's Firestore emulator. Raises EmulatorError, naming what is missing, where the machine has none."""
    command = firestore_emulator.arguments(firestore_emulator.find_command(os.environ), port)
    ready_url = f"http://127.0.0.1:{port}/"
    with running("firestore", command, base_environment(), directory, directory / "firestore.log", ready_url):
        yield


@contextmanager
def fake_salad(port: int, directory: Path) -> Iterator[str]:
    """Runs the fake Salad in a process of its own; returns its origin."""
    origin = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "bench.fake_salad", f"--port={port}"]
    root = Path(__file__).resolve().parents[1]
    with running("fake_salad", command, base_environment(), root, directory / "fake_salad.log", f"{origin}/count"):
        yield origin


def posted_jobs(salad: str) -> int:
    """How many jobs the fake Salad at that origin has answered."""
    with requests.Session() as session:
        session.trust_env = False
        return int(session.get(f"{salad}/count", timeout=PROBE_SEC).json()["posted"])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_SEC)
    except subprocess.TimeoutExpired:
        process.kill()
    kill_group(process.pid)
    process.wait()
