"""Measures a run's seconds outside the engine on a GPU node: download, preparation, checks and upload, by stage.

`python -m bench.worker_overhead` runs a real worker process with the preview engine, the B2 simulator and a media
server on loopback, on this repository's sample and on 60 s of 720p that ffmpeg makes. The network costs nothing here,
so the result is the worker's own work. `checking` is the check of the engine's video.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from bench.serving import base_environment, running
from gpu_worker.adapters.media_tools import find_tools
from infra.local.stack.plan import choose_ports

ROOT = Path(__file__).resolve().parents[1]
B2 = {"B2_KEY_ID": "004bench", "B2_APP_KEY": "only-for-this-benchmark", "B2_BUCKET_NAME": "bench-outputs"}
ENGINE_PHASES = ("generating", "encoding")
ENGINE = "engine"
JOB_SEC = 300.0
TARGET = 0.25  # share of the video's length, on two busy cores


@dataclass(frozen=True)
class Case:
    """One kind of job. video, audio: file names on the media server; resolution: as in the request."""

    name: str
    video: str
    audio: str
    resolution: str


CASES = (
    Case("sample (3 s of 512x512)", "face.mp4", "speech.wav", "source"),
    Case("60 s of 720p", "long.mp4", "long.wav", "720p"),
)


def main() -> int:
    """Prints the table. Returns 0 when every case met the target, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="jobs of each case; the table has their medians")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as directory:
        make_media(Path(directory))
        with worker(Path(directory)) as (url, media):
            found = {case: [run(url, media, case, number) for number in range(rounds)] for case in CASES}
    return report(found)


def make_media(directory: Path) -> None:
    """Writes the sample, a minute of 720p video and a minute of sound into the directory."""
    samples = ROOT / "infra" / "local" / "media"
    for name in ("face.mp4", "speech.wav"):
        (directory / name).write_bytes((samples / name).read_bytes())
    ffmpeg = [str(find_tools(None, None).ffmpeg), "-v", "error", "-nostdin", "-y", "-stream_loop", "-1"]
    video = ["-i", str(samples / "face.mp4"), "-t", "60", "-vf", "scale=1280:720", "-r", "30", "-preset", "ultrafast"]
    subprocess.run([*ffmpeg, *video, str(directory / "long.mp4")], check=True)
    subprocess.run([*ffmpeg, "-i", str(samples / "speech.wav"), "-t", "60", str(directory / "long.wav")], check=True)


@contextmanager
def worker(directory: Path) -> Iterator[tuple[str, str]]:
    """Runs storage, media server and worker, and yields the URLs of worker and media server."""
    drawn = choose_ports(0)
    ports = {"b2": drawn.b2, "media": drawn.media, "worker": drawn.gateway}
    origins = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    with ExitStack() as stack:

        def start(name: str, module: str, settings: Mapping[str, str], path: str) -> None:
            command, log = [sys.executable, "-m", module], directory / f"{name}.log"
            environment = {**base_environment(), **settings, "PORT": str(ports[name])}
            stack.enter_context(running(name, command, environment, ROOT, log, f"{origins[name]}{path}"))

        start("b2", "infra.local.b2_sim", {**B2, "DATA_DIR": str(directory / "b2")}, "/_sim/state")
        start("media", "infra.local.media_server", {"MEDIA_DIR": str(directory)}, "/face.mp4")
        own = {**B2, "B2_REALM": origins["b2"], "REHEARSAL_MODE": "true", "WORK_DIR": str(directory / "work")}
        start("worker", "gpu_worker", own, "/hc")
        yield origins["worker"], origins["media"]


def run(url: str, media: str, case: Case, number: int) -> dict[str, float]:
    """Runs one job. Returns the seconds by stage, and the video's length under `video`."""
    job = {
        "schema_version": 1,
        "job_id": f"bench-{CASES.index(case)}-{number}",
        "attempt": 1,
        "video_url": f"{media}/{case.video}",
        "audio_url": f"{media}/{case.audio}",
        "resolution": case.resolution,
        "run_timeout_seconds": JOB_SEC,
    }
    with requests.Session() as session:
        session.trust_env = False
        answer: dict[str, Any] = session.post(f"{url}/generate", json=job, timeout=JOB_SEC).json()
    if answer["status"] != "ok":
        raise SystemExit(f"the worker failed: {json.dumps(answer['error'])}")
    metrics = answer["metrics"]
    return {"video": answer["output"]["duration_sec"], **split(metrics["stages"], metrics["script_wall_time_sec"])}


def split(stages: Mapping[str, float], engine_sec: float) -> dict[str, float]:
    """Returns the seconds by stage. Time in the engine's phases outside the engine itself counts as `checking`."""
    own = {name: seconds for name, seconds in stages.items() if name not in ENGINE_PHASES}
    in_phases = sum(stages.get(name, 0.0) for name in ENGINE_PHASES)
    return {**own, "checking": max(0.0, in_phases - engine_sec), ENGINE: engine_sec}


def report(found: Mapping[Case, Sequence[Mapping[str, float]]]) -> int:
    """Prints medians by stage and the share of the worker's own work. Returns the exit code."""
    is_met = True
    for case, runs in found.items():
        medians = {name: statistics.median(one.get(name, 0.0) for one in runs) for name in runs[0]}
        length = medians.pop("video")
        own = sum(seconds for name, seconds in medians.items() if name != ENGINE)
        print(f"{case.name}: {length:.2f} s of video, medians of {len(runs)} runs, seconds")
        for name, seconds in medians.items():
            print(f"  {name:<12} {seconds:8.3f}")
        ratio = own / length
        is_met = is_met and ratio <= TARGET
        print(f"  {'own work':<12} {own:8.3f}  = {ratio:.2f} of the video's length (target {TARGET})")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
