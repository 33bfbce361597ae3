"""Starts the servers of a benchmark: functions from their packages, the fake Salad, the Firestore emulator."""

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

START_SEC = 60.0  # a busy machine imports Google's libraries slowly
PROBE_SEC = 5.0
STOP_SEC = 5.0
LOG_BYTES_SHOWN = 2000
# The output goes to a file, so that a slow terminal does not affect the measurement. `exec` replaces the shell by the
# command, so that no process stays between this one and the server.
TO_LOG = 'log="$1"; shift; exec "$@" >"$log" 2>&1'


@dataclass(frozen=True)
class Served:
    """A running function. origin: its URL; process_group: that of its server."""

    origin: str
    process_group: int

    def cpu_sec(self) -> float:
        """Returns the CPU seconds, user and system, of the group's processes so far (proc(5), /proc/PID/stat)."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # a process that has just ended
                # after the name in parentheses: state, parent, group, ...
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.process_group:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def unpacked(functions: Path, function: str, directory: Path) -> Path:
    """Packs a function as for the cloud and unpacks it below `directory`. Returns the unpacked package's directory."""
    package, place = directory / f"{function}.zip", directory / "unpacked" / function
    write_package(package_files(functions, function), package)
    with zipfile.ZipFile(package) as archive:
        archive.extractall(place)  # a zip that this process has just written
    return place


def plan_for(store: str, clients: Sequence[str], directory: Path) -> Plan:
    """Returns a plan as the rehearsal has it, so that a function gets the rehearsal's settings."""
    settings = read_settings({"STORE": store, "CLIENTS": ",".join(clients), "UPLOAD_KEYS": "node"})
    return Plan(settings, draw_credentials(settings.clients), choose_ports(0), directory)


def base_environment() -> dict[str, str]:
    """Returns the variables that each child inherits from the machine."""
    return machine_environment(os.environ)


@contextmanager
def running(
    name: str, command: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path, ready_url: str
) -> Iterator[int]:
    """Runs a server for the length of the block, which begins once ready_url answers. Yields its process group.

    Raises LoadError with the end of its log when it does not start.
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
    """Serves the main.py in `directory` with functions-framework, as the cloud does. Yields the running function."""
    framework = str(Path(sys.executable).with_name("functions-framework"))
    command = [framework, f"--target={target}", "--source=main.py", "--host=127.0.0.1", f"--port={port}"]
    origin = f"http://127.0.0.1:{port}"
    with running(target, command, environment, directory, log, f"{origin}/") as process_group:
        yield Served(origin, process_group)


@contextmanager
def firestore(port: int, directory: Path) -> Iterator[None]:
    """Runs Google's Firestore emulator. Raises EmulatorError when the machine has none."""
    command = firestore_emulator.arguments(firestore_emulator.find_command(os.environ), port)
    ready_url = f"http://127.0.0.1:{port}/"
    with running("firestore", command, base_environment(), directory, directory / "firestore.log", ready_url):
        yield


@contextmanager
def fake_salad(port: int, directory: Path) -> Iterator[str]:
    """Runs the fake Salad in a process of its own and yields its URL."""
    origin = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "bench.fake_salad", f"--port={port}"]
    root = Path(__file__).resolve().parents[1]
    with running("fake_salad", command, base_environment(), root, directory / "fake_salad.log", f"{origin}/count"):
        yield origin


def posted_jobs(salad: str) -> int:
    """Returns the number of jobs that the fake Salad at that URL has received."""
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
