"""The engine musetalk_cold against every way in which upstream's program fails, most of them with status 0."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gpu_worker.adapters.process_groups import group_members
from gpu_worker.engines.musetalk import cold
from gpu_worker.engines.musetalk.cold import MuseTalkCold
from gpu_worker.engines.musetalk.cold_run import ColdSettings
from gpu_worker.engines.port import EngineNotAllowed, HopelessHardware
from gpu_worker.wire import Answer
from tests.functional.gpu_worker.clips_more import TOOLS
from tests.functional.gpu_worker.media_checks import assert_requested_video
from tests.functional.gpu_worker.rig import Inspector, Rig
from tests.support.waiting import eventually, within

FAKE = Path(__file__).parents[2] / "support" / "fake_musetalk"
SECRETS = {"B2_APP_KEY": "app-key-secret", "B2_KEY_ID": "key-id", "REPORT_TOKEN": "token-secret"}


class FakeCheckout:
    """A copy of the fake MuseTalk, and the engine that runs it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "checkout"
        self.results = directory / "results"
        self.results.mkdir(parents=True)
        shutil.copytree(FAKE, self.directory)
        (self.directory / "seen.json").unlink(missing_ok=True)

    def engine(self, *, stall_sec: float = 30.0) -> MuseTalkCold:
        settings = ColdSettings(
            work_dir=self.directory,
            result_dir=self.results,
            python=Path(sys.executable),
            batch_size=4,
            half_precision=True,
            stall_sec=stall_sec,
            outer={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": "/usr/local/cuda/lib64"} | SECRETS,
        )
        engine = MuseTalkCold(settings, TOOLS)
        engine.start()
        return engine

    def fails_by(self, fault: str) -> None:
        (self.directory / "fault").write_text(fault)

    def seen(self) -> Any:
        return json.loads((self.directory / "seen.json").read_text())


@pytest.fixture
def checkout(tmp_path: Path) -> FakeCheckout:
    """A checkout whose program can be told to fail."""
    return FakeCheckout(tmp_path)


@pytest.fixture
def musetalk(rig: Rig, checkout: FakeCheckout) -> Rig:
    """The rig of the other tests with this engine."""
    rig.engine = checkout.engine()
    return rig


def assert_no_trace(rig: Rig, checkout: FakeCheckout) -> None:
    """Checks that nothing was stored, and that nothing is left of the run on the disk or among the processes."""
    assert rig.storage.puts == []
    assert list(checkout.results.iterdir()) == []
    assert list(rig.work_dir.iterdir()) == []
    assert group_members(checkout.seen()["group"]) == []


def test_a_video_with_the_whole_voice_in_its_own_quality(musetalk: Rig, inspector: Inspector) -> None:
    answer = musetalk.run()
    assert_requested_video(musetalk, inspector, answer, (160, 120), 32, 1.3)
    metrics = answer.body["metrics"]
    assert metrics["engine"] == "musetalk_cold"
    assert 0 <= metrics["generation_time_sec"] < metrics["script_wall_time_sec"]
    stages = ["load", "extract", "landmarks", "latents", "generate", "blend", "encode", "mux"]
    assert [name for name in metrics["stages"] if name.startswith("engine.")] == [f"engine.{name}" for name in stages]
    assert metrics["peak_vram_mib"] is None, "the fake loads no torch: what was not measured is not told"


def test_the_program_is_called_as_upstream_wants_it_and_gets_no_secret(musetalk: Rig, checkout: FakeCheckout) -> None:
    musetalk.run()
    seen = checkout.seen()
    assert seen["arguments"]["version"] == "v15"
    assert seen["arguments"]["unet_config"] == "./models/musetalkV15/musetalk.json"
    assert (seen["arguments"]["batch_size"], seen["arguments"]["use_float16"]) == (4, True)
    assert seen["environment"]["LD_LIBRARY_PATH"] == "/usr/local/cuda/lib64"
    told = json.dumps(seen)
    for secret in ("app-key-secret", "key-id", "token-secret", "job-key-secret", "query-secret"):
        assert secret not in told


def test_each_run_has_a_directory_of_its_own_and_a_group_of_its_own(musetalk: Rig, checkout: FakeCheckout) -> None:
    musetalk.run()
    first = checkout.seen()
    musetalk.storage.files.clear()
    musetalk.storage.puts.clear()
    musetalk.run(job_id="job-2")
    second = checkout.seen()
    assert Path(first["task"]["video_path"]).parent != Path(second["task"]["video_path"]).parent
    assert first["group"] != second["group"] != os.getpgid(0)
    assert list(checkout.results.iterdir()) == []


def test_a_hook_in_the_child_reports_the_peak_of_the_gpu_memory(musetalk: Rig, checkout: FakeCheckout) -> None:
    (checkout.directory / "torch.py").write_text(
        "class cuda:\n    max_memory_allocated = staticmethod(lambda: 3 * 2**30)\n"
        "    get_device_name = staticmethod(lambda: 'NVIDIA GeForce RTX 3090')\n"
    )
    script = checkout.directory / "scripts" / "inference.py"
    script.write_text(script.read_text().replace("import yaml\n", "import torch\nimport yaml\n"))
    metrics = musetalk.run().body["metrics"]
    assert (metrics["peak_vram_mib"], metrics["gpu_class"]) == (3072.0, "NVIDIA GeForce RTX 3090")


# fault -> HTTP status, code, words of the message
VERDICTS = {
    "no_file": (503, "output_verification_failed", "no readable video"),
    "truncated": (503, "output_verification_failed", "20 frames, not 32"),
    "empty_temporary": (503, "output_verification_failed", "no readable video"),
    "stale_output": (503, "output_verification_failed", "no readable video"),
    "missing_sound": (503, "output_verification_failed", "without sound"),
    "early_exit": (200, "input_too_short", "audio_url"),
    "gap": (200, "face_lost", "0.80 s after the start of video_url"),
    "no_face": (200, "face_not_detected", "video_url"),
    "disk_full": (503, "internal", "disk is full"),
    "swallowed_out_of_memory": (503, "gpu_out_of_memory", "memory"),
    "device_assert": (503, "gpu_fault", "GPU failed"),
    "traceback": (503, "internal", "ended with an error"),
    "out_of_memory": (503, "gpu_out_of_memory", "memory"),
    "no_kernel_image": (503, "gpu_fault", "GPU failed"),
    "killed": (503, "worker_interrupted", "killed"),
}


@pytest.mark.parametrize("fault", VERDICTS)
def test_each_fault_has_its_verdict_and_leaves_nothing(musetalk: Rig, checkout: FakeCheckout, fault: str) -> None:
    if fault == "stale_output":  # the very size and length that this job wants: only its age tells
        assert musetalk.run(job_id="another").body["status"] == "ok"
        stale = checkout.directory / "another_job.mp4"
        stale.write_bytes(musetalk.storage.files["musetalk/outputs/another.mp4"])
        os.utime(stale, (1, 1))
        musetalk.storage.puts.clear()
    checkout.fails_by(fault)
    answer = musetalk.run()
    status, code, words = VERDICTS[fault]
    error = answer.body["error"]
    assert (answer.http_status, error["code"]) == (status, code), (error, musetalk.stream.getvalue()[-2000:])
    assert words in error["message"]
    assert error["retryable"] is (status == 503)
    assert_no_trace(musetalk, checkout)


def test_every_exit_with_0_in_the_table_really_was_one(checkout: FakeCheckout, tmp_path: Path) -> None:
    """The table above proves something only if these faults end with status 0."""
    for fault in ("no_file", "truncated", "empty_temporary", "stale_output", "missing_sound", "early_exit", "gap"):
        checkout.fails_by(fault)
        shutil.copy(TOOLS.ffmpeg, checkout.directory / "another_job.mp4")
        assert status_of_the_fake(checkout, tmp_path) == 0, fault


def status_of_the_fake(checkout: FakeCheckout, tmp_path: Path) -> int:
    voice, task = tmp_path / "voice.wav", tmp_path / "task.yaml"
    voice.write_bytes(bytes(44 + 2 * 16_000))
    task.write_text(
        json.dumps({"task_0": {"video_path": "x.mp4", "audio_path": str(voice), "result_name": "made.mp4"}})
    )
    named = {"inference_config": task, "result_dir": tmp_path / "r", "version": "v15"}
    weights = {"unet_model_path": "m", "unet_config": "c", "whisper_dir": "w"}
    options = [part for name, value in (named | weights).items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "scripts.inference", *options]
    return subprocess.run(command, cwd=checkout.directory, check=False, capture_output=True, timeout=60).returncode


def test_a_program_that_hangs_is_ended_with_all_that_it_started(rig: Rig, checkout: FakeCheckout) -> None:
    rig.engine = checkout.engine(stall_sec=1.0)
    checkout.fails_by("hang")
    answer = rig.run()
    assert (answer.http_status, answer.body["error"]["code"]) == (503, "gpu_fault")
    assert "made no progress at its stage" in answer.body["error"]["message"]
    assert_no_trace(rig, checkout)


@pytest.mark.parametrize("end", ["supersede", "interrupt", "deadline"])
def test_cancel_shutdown_and_deadline_end_the_whole_group_within_five_seconds(
    musetalk: Rig, checkout: FakeCheckout, end: str
) -> None:
    checkout.fails_by("hang")

    def run() -> None:
        answers.append(musetalk.run())

    answers: list[Answer] = []
    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: (checkout.directory / "seen.json").exists())
    eventually(lambda: len(group_members(checkout.seen()["group"])) >= 3)  # the guard, the program, the grandchild
    with within(5):
        if end == "deadline":
            assert musetalk.control is not None
            musetalk.control.limit(0.0)
        else:
            getattr(musetalk.control, end)()
        thread.join(20)
    assert answers, "the run did not end"
    told = answers[0].body.get("error", {}).get("code") or answers[0].body["status"]
    assert told == {"supersede": "superseded", "interrupt": "worker_interrupted", "deadline": "run_timeout"}[end]
    assert_no_trace(musetalk, checkout)


def test_frames_that_cannot_fit_into_memory_are_refused_before_the_program_starts(
    musetalk: Rig, checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cold, "memory_bytes", lambda: 1_000_000)
    answer = musetalk.run()
    assert (answer.http_status, answer.body["error"]["code"]) == (200, "input_too_large")
    assert "lower resolution" in answer.body["error"]["message"]
    assert not (checkout.directory / "seen.json").exists()


def test_an_engine_that_could_never_work_refuses_to_start(checkout: FakeCheckout, tmp_path: Path) -> None:
    shutil.rmtree(checkout.directory / "scripts")
    with pytest.raises(EngineNotAllowed, match="MUSETALK_WORKDIR"):
        checkout.engine()
    shutil.copytree(FAKE / "scripts", checkout.directory / "scripts")
    checkout.results = tmp_path / "with space"
    with pytest.raises(EngineNotAllowed, match="MUSETALK_RESULT_DIR"):
        checkout.engine()


FAKE_TORCH = """
class cuda:
    is_available = staticmethod(lambda: {cuda})
    get_device_name = staticmethod(lambda: "Fake GPU")
    get_device_capability = staticmethod(lambda: (8, 6))
    get_arch_list = staticmethod(lambda: ["sm_86"])
    get_device_properties = staticmethod(lambda _: type("P", (), {{"total_memory": {vram}}}))
"""


def start_on_a_node(checkout: FakeCheckout, torch: str) -> None:
    """Starts the engine as on a Salad node, with an interpreter whose torch reports this GPU."""
    libraries = checkout.directory / "libraries"
    libraries.mkdir(exist_ok=True)
    (libraries / "torch.py").write_text(torch)
    python = checkout.directory / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={libraries} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    outer = {"PATH": os.environ["PATH"]}
    settings = ColdSettings(checkout.directory, checkout.results, python, 4, True, 30.0, outer, on_node=True)
    MuseTalkCold(settings, TOOLS).start()


def test_on_a_node_the_gpu_is_checked_before_the_first_job(checkout: FakeCheckout) -> None:
    start_on_a_node(checkout, FAKE_TORCH.format(cuda=True, vram=10 * 2**30))
    with pytest.raises(HopelessHardware, match="no GPU"):
        start_on_a_node(checkout, FAKE_TORCH.format(cuda=False, vram=10 * 2**30))
    with pytest.raises(HopelessHardware, match="6144 MiB"):
        start_on_a_node(checkout, FAKE_TORCH.format(cuda=True, vram=6 * 2**30))
    with pytest.raises(HopelessHardware, match="libcuda"):
        start_on_a_node(checkout, "raise ImportError('libcuda.so.1: cannot open shared object file')")
