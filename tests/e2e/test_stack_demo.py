"""Runs the demo as a newcomer does, and checks that it reports failures."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.rehearsals import ROOT
from tests.support.processes import await_end, command_of, descendants
from tests.support.scripted_server import Answer, scripted_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e
DEMO_SEC = 180.0  # the demo needs ten seconds on an idle machine; this limit ends one that hangs


def run_demo(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.local.demo", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **settings},
        capture_output=True,
        text=True,
        timeout=DEMO_SEC,
        check=False,
    )


def check_success(finished: subprocess.CompletedProcess[str]) -> None:
    assert finished.returncode == 0, finished.stdout + finished.stderr
    # the statuses come from the job's record: the demo polls, and a busy machine lets it miss a short one
    record = re.findall(r"^  (queued|running|succeeded) +after \d+\.\d s$", finished.stdout, re.MULTILINE)
    assert record == ["queued", "running", "succeeded"], finished.stdout
    for told in ("signature verified by standardwebhooks", "74 frames of 512x512"):
        assert told in finished.stdout
    video = next(word for word in finished.stdout.split() if word.startswith("build/demo/") and ".mp4" in word)
    assert (ROOT / video.rstrip(":")).stat().st_size > 10_000


def test_the_demo_shows_a_job_from_end_to_end() -> None:
    check_success(run_demo())


def test_the_demo_takes_the_users_own_files(tmp_path: Path) -> None:
    for name in ("face.mp4", "speech.wav"):
        (tmp_path / f"my {name}").write_bytes((ROOT / "infra" / "local" / "media" / name).read_bytes())
    check_success(run_demo("--video", str(tmp_path / "my face.mp4"), "--audio", str(tmp_path / "my speech.wav")))


@pytest.mark.emulator
@pytest.mark.usefixtures("emulator_command")
def test_the_demo_runs_on_firestore() -> None:
    check_success(run_demo(STORE="firestore"))


def test_a_file_that_is_no_video_fails_the_demo_with_the_jobs_error(tmp_path: Path) -> None:
    (tmp_path / "face.mp4").write_text("this is no video")
    finished = run_demo("--video", str(tmp_path / "face.mp4"))
    assert finished.returncode == 1
    assert "FAILED: the job ended as failed: " in finished.stdout


def test_a_file_that_is_not_there_fails_before_anything_starts() -> None:
    finished = run_demo("--audio", "/nowhere/speech.wav")
    assert (finished.returncode, finished.stdout) == (1, "\nFAILED: there is no file /nowhere/speech.wav\n")


def test_a_demo_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    # a video that never comes keeps the worker there until the demo is killed
    with scripted_server(Answer(delay_sec=10 * DEMO_SEC)) as held, (tmp_path / "story.txt").open("wb") as story:
        command = [sys.executable, "-m", "infra.local.demo", "--video", f"{held.url}/face.mp4"]
        demo = subprocess.Popen(command, cwd=ROOT, stdout=story, stderr=story)
        check_end(demo)


def check_end(demo: subprocess.Popen[bytes]) -> None:
    """Kills the demo once its worker runs, and waits for the end of every process below it."""
    try:
        eventually(lambda: any("gpu_worker" in command_of(pid) for pid in descendants(demo.pid)), DEMO_SEC)
    finally:
        pids = descendants(demo.pid)
        demo.kill()
        demo.wait()
    await_end(pids)


def test_the_demo_shows_wrong_settings_of_the_rehearsal() -> None:
    finished = run_demo(STORE="oracle")
    assert finished.returncode == 1
    assert "STORE must be sqlite or firestore" in finished.stdout
