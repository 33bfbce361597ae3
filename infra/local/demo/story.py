"""Runs the demo from the command line to the last check and prints each step for a human reader."""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from queue import Empty
from typing import Any
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from infra.local.demo import DemoError
from infra.local.demo.app import JobApi, Receiver, as_json, download, running_receiver
from infra.local.demo.checking import audio_seconds, callback_faults, job_faults, probe_video, video_faults
from infra.local.demo.rehearsal import running_rehearsal
from infra.tools.package import ROOT

OUT = ROOT / "build" / "demo"
SAMPLES = ROOT / "infra" / "local" / "media"
POLL_SEC = 0.1  # a phase of a short clip lasts some tenths of a second, and the demo shows as many as it can
CALLBACK_SEC = 30.0  # the first try comes when the job ends, the next one with a later tick, every 5 s
DEFAULT_LIMIT_SEC = 300  # a minute of video takes a few seconds; ten minutes of 1080p on an old machine, a few minutes
EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


@dataclass(frozen=True)
class Medium:
    """One input of the job: a URL, or a file. The rehearsal serves the samples' files, the demo all others."""

    path: Path | None
    url: str | None
    is_sample: bool = False


def main(arguments: Sequence[str]) -> int:
    """Runs the demo. Returns the exit code: 0, 1 when any check failed, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.demo", description=__doc__)
    parser.add_argument("--video", default="", help="face video: a file or an http(s) URL (default: the sample)")
    parser.add_argument("--audio", default="", help="voice track: a file or an http(s) URL (default: the sample)")
    parser.add_argument("--limit-sec", type=int, default=DEFAULT_LIMIT_SEC, help="longest wait for the job")
    options = parser.parse_args(arguments)
    try:
        _tell(medium(options.video, "face.mp4"), medium(options.audio, "speech.wav"), options.limit_sec)
    except DemoError as error:
        say(f"\nFAILED: {error}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        say("\nstopped by Ctrl-C")
        return EXIT_INTERRUPTED
    return 0


def medium(given: str, sample: str) -> Medium:
    """Reads one argument; an empty one means the sample. Raises DemoError for a file that does not exist."""
    if urlsplit(given).scheme in ("http", "https"):
        return Medium(None, given)
    path = Path(given).expanduser().resolve() if given else SAMPLES / sample
    if not path.is_file():
        raise DemoError(f"there is no file {path}")
    return Medium(path, None, is_sample=not given)


def say(text: str) -> None:
    """Prints a line at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _tell(video: Medium, audio: Medium, limit_sec: int) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    log = OUT / "rehearsal.log"
    own = (("/video", video), ("/audio", audio))
    files = {path: item.path for path, item in own if item.path and not item.is_sample}
    say(f"starting the rehearsal: functions, simulators and workers on this machine (log: {log.relative_to(ROOT)}) ...")
    began = time.monotonic()
    with running_receiver(files) as receiver, running_rehearsal(log) as ready:
        say(
            f"ready after {time.monotonic() - began:.1f} s: {ready['api']} (Salad {ready['salad']}, B2 {ready['b2']})\n"
        )
        client, key = next(iter(ready["api_keys"].items()))
        body = {
            "video_url": _url(video, f"{ready['media']}/face.mp4", f"{receiver.origin}/video"),
            "audio_url": _url(audio, f"{ready['media']}/speech.wav", f"{receiver.origin}/audio"),
            "webhook_url": receiver.callback_url,
            "metadata": {"from": "demo"},
        }
        with JobApi(ready["api"], key) as api:
            job = _follow(api, ready["api"], body, limit_sec)
            say("\nThe job's record has every status, also those between two polls:\n" + "\n".join(record_lines(job)))
            _refuse(job_faults(job))
            _check_callback(receiver, ready["callback_secrets"][client], job)
            _check_video(job, audio)
            say("\nThe fleet and the last scaling decision:\n" + fleet_line(api.health()))
            say("\nThe finished job, as the API shows it:\n" + as_json(api.job(job["id"])))


def fleet_line(health: dict[str, Any]) -> str:
    """Returns the fleet and the last scaling decision as one line. health: the API's answer."""
    instances, scaling = health["fleet"] or {}, health["scaling"] or {}
    groups = scaling.get("groups") or {}
    plans = "; ".join(f"{name}: {one['target']} replicas ({one['reason']})" for name, one in groups.items())
    need = scaling.get("need")
    wanted = "an unknown number of" if need is None else f"{max(0.0, need):.1f}"
    return (
        f"fleet: {instances.get('running', 0)} replicas running. Scaling rule {scaling.get('rule', 'none')}: {wanted} "
        f"replicas needed beside the always-on ones. {plans or 'No group is scaled'}"
    )


def record_lines(job: Mapping[str, Any]) -> list[str]:
    """Returns one line for each status that the job went through, and one for the stages of its run.

    job: the API's answer for a finished job. A short status can begin and end between two polls; the record has all.
    """
    accepted_at = datetime.fromisoformat(job["created_at"])
    moments = {"queued": job["created_at"], "running": job["started_at"], job["status"]: job["finished_at"]}
    lines = [
        f"  {status:<10} after {(datetime.fromisoformat(moment) - accepted_at).total_seconds():.1f} s"
        for status, moment in moments.items()
        if moment
    ]
    stages = (job["metrics"] or {}).get("stages") or {}
    took = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in stages.items())
    return lines + ([f"  seconds by stage: {took}"] if took else [])


def _url(item: Medium, sample_url: str, own_url: str) -> str:
    return item.url or (sample_url if item.is_sample else own_url)


def _follow(api: JobApi, origin: str, body: dict[str, Any], limit_sec: int) -> dict[str, Any]:
    """Submits the job and prints each change of its status or phase. Returns the finished job. Raises DemoError."""
    curl = f"curl -sS {origin}/v1/avatar/jobs -H 'X-Internal-API-Key: ...' -H 'Content-Type: application/json' -d "
    say("The app submits a job:")
    say(f"$ {curl}{shlex.quote(json.dumps(body))}")
    began = time.monotonic()
    answer = api.submit(body)
    say(f"HTTP 202, Location: {answer.headers.get('Location')}, X-Request-Id: {answer.headers.get('X-Request-Id')}")
    say("\nThe app polls the job until it is done (time, status, phase, progress):")
    job: dict[str, Any] = answer.json()
    shown: tuple[str, str | None] | None = None
    while True:
        if shown != (job["status"], job["phase"]):
            shown = (job["status"], job["phase"])
            seconds = time.monotonic() - began
            say(f"{seconds:6.1f} s  {job['status']:<10} {job['phase'] or '':<12} {job['progress']:4.0%}")
        if job["done"]:
            return job
        if time.monotonic() - began > limit_sec:
            raise DemoError(f"the job was still {job['status']} ({job['phase']}) after {limit_sec} s")
        time.sleep(POLL_SEC)
        job = api.job(job["id"])


def _check_callback(receiver: Receiver, secret: str, job: dict[str, Any]) -> None:
    try:
        callback = receiver.callbacks.get(timeout=CALLBACK_SEC)
    except Empty:
        raise DemoError(f"no callback arrived within {CALLBACK_SEC:.0f} s of the job's end") from None
    try:
        body = Webhook(secret).verify(callback.body, callback.headers)
    except WebhookVerificationError as error:
        raise DemoError(f"the callback's signature cannot be verified: {error}") from error
    _refuse(callback_faults(body, job))
    message_id = {name.lower(): value for name, value in callback.headers.items()}["webhook-id"]
    say("\nThe app receives the callback and downloads the video:")
    say(f"callback {body['type']} received, signature verified by standardwebhooks (webhook-id {message_id})")


def _check_video(job: dict[str, Any], audio: Medium) -> None:
    target = OUT / f"{job['id']}.mp4"
    size = download(job["output_url"], target)
    video = probe_video(target)
    say(
        f"video {target.relative_to(ROOT)}: {size} bytes, {video.frames} frames of {video.width}x{video.height} at "
        f"{video.fps}, {video.video_codec} and {video.audio_codec}, {video.duration_sec:.2f} s"
    )
    _refuse(video_faults(video, audio_seconds(audio.path) if audio.path else None, job["metrics"] or {}))


def _refuse(faults: list[str]) -> None:
    if faults:
        raise DemoError("; ".join(faults))
