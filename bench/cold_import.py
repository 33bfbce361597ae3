"""Measures what our code adds to a cold start: the import of each main.py compared with its libraries alone.

Each sample is a fresh Python process that times one import. The function's runs in the unpacked package with its
settings; the libraries' imports functions_framework and google.cloud.firestore. They take turns. Each function is
measured as unpacked (without bytecode, so Python compiles it) and with the bytecode of an earlier import. The ratio is
that of the fastest samples: an import is the same work each time, and other programs can only make it slower.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import serving
from bench.api_overhead import CLIENTS, WEBHOOK_SECRET
from bench.tables import table, verdict
from infra.local.stack.environments import function_environment
from infra.tools.package import FUNCTIONS, ROOT

TARGET = 1.3  # the project's own target
IMPORT_SEC = 60.0  # for a busy machine with a cold disk
LIBRARIES_NAME = "libraries alone"
LIBRARIES = "import functions_framework\nfrom google.cloud import firestore\n"
# `import main` finds the package's main.py: -c puts the working directory on the path, as the framework does
OURS = "import main\n"
# The program of the fresh process: it times the import and lists the network clients that the import opened. Python's
# audit events show sockets; gRPC has sockets of its own, so its channels are counted. urllib3 binds a socket to find
# out whether the machine has IPv6; this is no connection and does not count.
PROBE = """
import gc, json, sys, time
opened = []
REACHING_OUT = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg")
sys.addaudithook(lambda event, arguments: opened.append(event) if event in REACHING_OUT else None)
began, used = time.perf_counter(), time.process_time()
{code}
seconds, cpu = time.perf_counter() - began, time.process_time() - used
cython = sys.modules.get("grpc._cython.cygrpc")
if cython:
    opened += ["grpc.Channel" for thing in gc.get_objects() if type(thing) is cython.Channel]
print(json.dumps({{"ms": seconds * 1000, "cpu_ms": cpu * 1000, "opened": opened, "modules": len(sys.modules)}}))
"""


class ImportFailedError(Exception):
    """The import failed in a fresh process, or it opened a network client."""


@dataclass(frozen=True)
class Subject:
    """One import to measure. name: in the table; directory: working directory."""

    name: str
    code: str
    directory: Path
    environment: Mapping[str, str]


@dataclass
class Samples:
    """The samples of one import in milliseconds, by the clock and on the CPU, and the number of loaded modules."""

    ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    modules: int = 0


def subjects(functions: Path, store: str, directory: Path) -> list[Subject]:
    """Unpacks each function below `directory`, and returns it with and without bytecode."""
    plan = serving.plan_for(store, CLIENTS, directory)
    found = []
    for function in FUNCTIONS:
        settings = function_environment(function, plan, WEBHOOK_SECRET)
        environment = {**serving.base_environment(), **settings}
        fresh = serving.unpacked(functions, function, directory)
        compiled = Path(shutil.copytree(fresh, directory / "compiled" / function))
        found += [
            Subject(function, OURS, fresh, {**environment, "PYTHONDONTWRITEBYTECODE": "1"}),
            Subject(f"{function}, with bytecode", OURS, compiled, environment),
        ]
    return found


def import_once(subject: Subject) -> tuple[float, float, int]:
    """Imports in a fresh process. Returns milliseconds by the clock and on the CPU, and the number of loaded modules.

    Raises ImportFailedError.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(code=subject.code)],
        cwd=subject.directory,
        env=dict(subject.environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=IMPORT_SEC,
        check=False,
    )
    if done.returncode != 0:
        raise ImportFailedError(f"{subject.name}: {done.stderr.decode(errors='replace')[-1500:]}")
    result = json.loads(done.stdout.splitlines()[-1])
    if result["opened"]:
        raise ImportFailedError(f"{subject.name} opens network clients at import: {', '.join(result['opened'])}")
    return float(result["ms"]), float(result["cpu_ms"]), int(result["modules"])


def measure(functions: Path, store: str, rounds: int, directory: Path) -> dict[str, Samples]:
    """Returns samples by name, the libraries' under LIBRARIES_NAME. A sample of the libraries precedes each of ours."""
    found = subjects(functions, store, directory)
    libraries = Subject(LIBRARIES_NAME, LIBRARIES, directory, serving.base_environment())
    for subject in [libraries, *found]:  # fills the disk cache, and writes the bytecode where it is wanted
        import_once(subject)
    samples = {subject.name: Samples() for subject in [libraries, *found]}
    for _ in range(rounds):
        for subject in [one for ours in found for one in (libraries, ours)]:
            into = samples[subject.name]
            milliseconds, cpu_milliseconds, into.modules = import_once(subject)
            into.ms.append(milliseconds)
            into.cpu_ms.append(cpu_milliseconds)
    return samples


def report(store: str, samples: Mapping[str, Samples]) -> tuple[str, bool]:
    """Returns the table, and whether every import met the target."""
    fastest = {name: min(one.ms) for name, one in samples.items()}
    ratios = {name: one / fastest[LIBRARIES_NAME] for name, one in fastest.items()}
    rows = []
    for name, one in samples.items():
        cpu_ratio = min(one.cpu_ms) / min(samples[LIBRARIES_NAME].cpu_ms)
        row = [name, f"{fastest[name]:.0f}", f"{statistics.median(one.ms):.0f}", str(one.modules)]
        row += [f"{min(one.cpu_ms):.0f}", f"{cpu_ratio:.2f}"]
        judged = [f"{ratios[name]:.2f}", f"<= {TARGET}", verdict(met=ratios[name] <= TARGET)]
        rows.append(row + (["", "", ""] if name == LIBRARIES_NAME else judged))
    headers = [
        f"import, store {store}",
        "fastest, ms",
        "median, ms",
        "modules",
        "CPU, ms",
        "CPU ratio",
        "ratio",
        "target",
        "",
    ]
    return table(headers, rows), all(ratio <= TARGET for ratio in ratios.values())


def main(arguments: Sequence[str]) -> int:
    """Measures and prints the tables. Returns 0 when the target was met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold_import", description=__doc__)
    parser.add_argument("--store", choices=("sqlite", "firestore", "both"), default="both")
    parser.add_argument("--rounds", type=int, default=7, help="fresh processes of each import (default 7)")
    parser.add_argument("--functions", type=Path, default=ROOT / "functions", help="the functions/ to measure")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    all_met = True
    for store in ("firestore", "sqlite") if options.store == "both" else (options.store,):
        with tempfile.TemporaryDirectory(prefix="avatar-bench-") as name:
            try:
                samples = measure(options.functions, store, options.rounds, Path(name))
            except (ImportFailedError, subprocess.TimeoutExpired) as error:
                print(f"not measured: {error}")
                return 1
        text, met = report(store, samples)
        print(text, end="\n\n")
        all_met = all_met and met
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
