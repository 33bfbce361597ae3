"""Measures what our layers cost: submit_job compared with a bare function on the same server, store and fake Salad.

Both run in functions-framework with the same number of threads. They take turns in each round, so that other programs
disturb both alike; the figures are medians of the rounds and of the rounds' ratios. Each round starts fresh processes:
an instance of submit_job calls Salad at most 120 times a minute, and a delayed call would make it seem faster.
"""

import argparse
import json
import secrets
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench import serving
from bench.load import Load, LoadError, Sent, post_all, require
from bench.tables import median_ratio, percentile, spread, table, verdict
from infra.local.firestore_emulator import EmulatorError
from infra.local.stack.environments import function_environment
from infra.local.stack.plan import ORGANIZATION, PROJECT, QUEUE, Plan
from infra.tools.package import ROOT

P50_TARGET, THROUGHPUT_TARGET = 1.3, 0.8  # the project's own targets
OPEN_JOBS_LIMIT = 5000  # the API's limit; above it the answer is 429
CLIENTS = ("bench-a", "bench-b", "bench-c")  # three, so that no client reaches its own limit of 2,000 first
BARE = Path(__file__).with_name("bare_submit")
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0" * 6  # submit_job does not get it, but function_environment needs one
WARM_UP = 10  # requests before each measurement: for late imports, connections and the store's tables
CALLS_A_PROCESS = 120  # a single instance's limit of Salad calls in its first minute


@dataclass(frozen=True)
class Server:
    """How one of the two functions is started. directory: its unpacked package."""

    target: str
    directory: Path
    port: int
    environment: Mapping[str, str]
    log: Path


@dataclass
class Side:
    """One of the two functions and its rounds. p50_busy_ms: with many clients at once; cpu_ms: for each request."""

    server: Server
    p50_ms: list[float] = field(default_factory=list)
    p50_busy_ms: list[float] = field(default_factory=list)
    requests_per_sec: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Shape:
    """How much is sent. alone: requests one after the other; together: requests from `clients` connections at once."""

    rounds: int
    alone: int
    together: int
    clients: int
    threads: int

    @property
    def of_a_process(self) -> int:
        """The number of requests that each process receives."""
        return WARM_UP + self.alone + self.together

    def problem(self) -> str | None:
        """Returns why this cannot be measured, None when it can."""
        if min(self.rounds, self.alone, self.together, self.clients, self.threads) < 1:
            return "every number must be at least 1"
        if self.of_a_process > CALLS_A_PROCESS:
            return f"a round of {self.of_a_process} requests is more than an instance may send ({CALLS_A_PROCESS})"
        jobs = 2 * (self.rounds + 1) * self.of_a_process
        return f"{jobs} jobs are more than may be open ({OPEN_JOBS_LIMIT})" if jobs > OPEN_JOBS_LIMIT else None


def job_requests(plan: Plan, count: int) -> list[Sent]:
    """Returns submissions as an app sends them: with an idempotency key, metadata and a callback URL."""
    body = {
        "video_url": "http://127.0.0.1:9/face.mp4", "audio_url": "http://127.0.0.1:9/speech.wav",
        "aspect_ratio": "9:16", "resolution": "720p", "webhook_url": "http://127.0.0.1:9/done",
        "metadata": {"order": "7", "campaign": "spring"},
        "start_timeout_seconds": 3600, "run_timeout_seconds": 1800,
    }  # fmt: skip
    content = json.dumps(body).encode()
    return [
        Sent(
            content,
            {
                "Content-Type": "application/json",
                "X-Internal-API-Key": plan.credentials.api_keys[CLIENTS[number % len(CLIENTS)]],
                "Idempotency-Key": secrets.token_hex(16),
            },
        )
        for number in range(count)
    ]


def _send(name: str, url: str, plan: Plan, count: int, clients: int) -> Load:
    """Sends one load. Raises LoadError unless Salad was called once for each job: fewer calls would be unfair."""
    before = serving.posted_jobs(plan.salad)
    load = post_all(url, job_requests(plan, count), clients=clients)
    require(load, 202, name)
    posted = serving.posted_jobs(plan.salad) - before
    if posted != count:
        raise LoadError(f"{name}: {count} jobs made {posted} calls of Salad, so the two functions cannot be compared")
    return load


def _round(side: Side, plan: Plan, shape: Shape, *, counts: bool) -> None:
    """Starts one function, warms it up, measures it and ends it. counts: whether the figures are kept."""
    server = side.server
    with serving.served(server.target, server.directory, server.port, server.environment, server.log) as served:
        url = f"{served.origin}/v1/avatar/jobs"
        _send(server.target, url, plan, WARM_UP, 1)
        used_before = served.cpu_sec()
        alone = _send(server.target, url, plan, shape.alone, 1)
        together = _send(server.target, url, plan, shape.together, shape.clients)
        cpu_sec = served.cpu_sec() - used_before
    if counts:
        side.p50_ms.append(percentile(alone.latencies_ms, 0.5))
        side.p50_busy_ms.append(percentile(together.latencies_ms, 0.5))
        side.requests_per_sec.append(together.requests_per_sec)
        side.cpu_ms.append(cpu_sec * 1000 / (shape.alone + shape.together))


def measure(plan: Plan, sides: tuple[Side, Side], shape: Shape, directory: Path) -> None:
    """Measures both functions in turns, in alternating order. A first round warms up disk and store and is not kept."""
    with ExitStack() as stack:
        if plan.settings.store == "firestore":
            stack.enter_context(serving.firestore(plan.ports.firestore, directory))
        stack.enter_context(serving.fake_salad(plan.ports.salad, directory))
        for number in range(shape.rounds + 1):
            for side in sides if number % 2 == 0 else reversed(sides):
                _round(side, plan, shape, counts=number > 0)


def prepared(plan: Plan, functions: Path, directory: Path, threads: int) -> tuple[Side, Side]:
    """Unpacks both functions, ours and the bare one, and returns them with the same server, store and fake Salad."""
    common = {**serving.base_environment(), "THREADS": str(threads)}
    ours = {**function_environment("submit_job", plan, WEBHOOK_SECRET), "SUBMIT_MAX_INSTANCES": "1"}
    place = serving.unpacked(functions, "submit_job", directory)
    bare_place = Path(shutil.copytree(BARE, directory / "bare", ignore=shutil.ignore_patterns("__pycache__")))
    port = plan.ports.functions["submit_job"][0]  # they run one after the other, so they can share a port
    bare = {**common, **_bare_environment(plan, ours)}
    return (
        Side(Server("submit_job", place, port, {**common, **ours}, directory / "submit_job.log")),
        Side(Server("bare_submit", bare_place, port, bare, directory / "bare_submit.log")),
    )


def _bare_environment(plan: Plan, ours: Mapping[str, str]) -> dict[str, str]:
    store = ("SQLITE_PATH", "FIRESTORE_PROJECT", "FIRESTORE_EMULATOR_HOST")
    return {
        **{name: ours[name] for name in store if name in ours},
        "SALAD_JOBS_URL": f"{plan.salad_api}/organizations/{ORGANIZATION}/projects/{PROJECT}/queues/{QUEUE}/jobs",
        "SALAD_API_KEY": plan.credentials.salad_api_key,
        "BASE_URL": plan.api,
    }


def report(store: str, shape: Shape, ours: Side, bare: Side) -> tuple[str, bool]:
    """Returns the table, and whether both targets were met."""
    p50 = median_ratio(ours.p50_ms, bare.p50_ms)
    busy = median_ratio(ours.p50_busy_ms, bare.p50_busy_ms)
    throughput = median_ratio(ours.requests_per_sec, bare.requests_per_sec)
    cpu = median_ratio(ours.cpu_ms, bare.cpu_ms)
    met = p50 <= P50_TARGET, throughput >= THROUGHPUT_TARGET
    rows = [
        _row(
            "p50 alone, ms",
            ours.p50_ms,
            bare.p50_ms,
            p50,
            f"<= {P50_TARGET}",
            verdict(met=met[0]),
            _best(min, ours.p50_ms, bare.p50_ms),
        ),
        _row(
            f"p50 of {shape.clients} at once, ms",
            ours.p50_busy_ms,
            bare.p50_busy_ms,
            busy,
            "",
            "",
            _best(min, ours.p50_busy_ms, bare.p50_busy_ms),
        ),
        _row(
            "requests a second",
            ours.requests_per_sec,
            bare.requests_per_sec,
            throughput,
            f">= {THROUGHPUT_TARGET}",
            verdict(met=met[1]),
            _best(max, ours.requests_per_sec, bare.requests_per_sec),
        ),
        _row("CPU a request, ms", ours.cpu_ms, bare.cpu_ms, cpu, "", "", _best(min, ours.cpu_ms, bare.cpu_ms)),
    ]
    ours_name, bare_name = ours.server.target, bare.server.target
    headers = [f"store {store}", ours_name, "rounds", bare_name, "rounds", "ratio", "target", "", "ratio of the best"]
    return table(headers, rows), all(met)


def _best(best: Callable[[Sequence[float]], float], ours: Sequence[float], bare: Sequence[float]) -> str:
    """Returns the ratio of the best rounds, which other programs disturb least."""
    return f"{best(ours) / best(bare):.2f}"


def _row(name: str, ours: Sequence[float], bare: Sequence[float], ratio: float, *rest: str) -> list[str]:
    ours_text, bare_text = f"{statistics.median(ours):.2f}", f"{statistics.median(bare):.2f}"
    return [name, ours_text, spread(ours), bare_text, spread(bare), f"{ratio:.2f}", *rest]


def main(arguments: Sequence[str]) -> int:
    """Measures and prints the table. Returns 0 when the targets were met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.api_overhead", description=__doc__)
    parser.add_argument("--store", choices=("sqlite", "firestore"), default="sqlite", help="firestore: the emulator")
    parser.add_argument("--rounds", type=int, default=15, help="of each side (default 15)")
    parser.add_argument("--alone", type=int, default=40, help="requests one after the other in a round (default 40)")
    parser.add_argument("--together", type=int, default=64, help="requests at once in a round (default 64)")
    parser.add_argument("--clients", type=int, default=8, help="connections of the requests at once (default 8)")
    parser.add_argument("--threads", type=int, default=8, help="THREADS of both servers (default 8)")
    parser.add_argument("--functions", type=Path, default=ROOT / "functions", help="the functions/ to measure")
    options = parser.parse_args(arguments)
    shape = Shape(options.rounds, options.alone, options.together, options.clients, options.threads)
    if problem := shape.problem():
        parser.error(problem)
    with tempfile.TemporaryDirectory(prefix="avatar-bench-") as name:
        directory = Path(name)
        plan = serving.plan_for(options.store, CLIENTS, directory)
        sides = prepared(plan, options.functions, directory, shape.threads)
        try:
            measure(plan, sides, shape, directory)
        except (LoadError, EmulatorError) as error:
            print(f"not measured: {error}")
            return 1
    text, met = report(options.store, shape, *sides)
    print(text)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
