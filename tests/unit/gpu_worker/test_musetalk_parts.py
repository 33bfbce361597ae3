"""The pure parts around MuseTalk: the meaning of its output, its limits, its call."""

import itertools
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker import VERSION
from gpu_worker.adapters.process_groups import Ending
from gpu_worker.domain.failures import JobError
from gpu_worker.engines.musetalk import budget, command
from gpu_worker.engines.musetalk.hardware import judge_gpu
from gpu_worker.engines.musetalk.transcript import Stage, Transcript
from gpu_worker.engines.musetalk.verdict import judge_ending, judge_video
from gpu_worker.engines.port import PreparedInputs

ROOT = Path(__file__).parents[3]
GIB = 1024**3
SAID = [  # the sentences of one good run, and when they came
    ("load unet model from ./models/musetalkV15/unet.pth", 1.0),
    ("Loaded inference config: {}", 20.0),
    ("Extracting landmarks... time-consuming operation", 22.0),
    (" 50%|#####     | 37/74 [00:05<00:05,  6.9it/s]", 27.0),
    ("Number of frames: 74", 32.0),
    ("Starting inference", 35.0),
    ("100%|##########| 10/10 [00:01<00:00,  7.0it/s]", 36.4),
    ("Padding generated images to original video size", 36.5),
    ("Video generation command: ffmpeg", 44.5),
    ("Audio combination command: ffmpeg", 47.5),
    ("Results saved to results/v15/made.mp4", 49.5),
]


def heard(lines: list[Any], began_at: float = 0.0) -> Transcript:
    transcript = Transcript(began_at)
    for line, at in lines:
        transcript.add(line, at)
    return transcript


def inputs(width: int = 1280, height: int = 720, video_frames: int = 250, frames: int = 1500) -> PreparedInputs:
    return PreparedInputs(Path("v"), Path("a"), width, height, video_frames, frames, frames / 25, Path("w"), {})


def test_the_generation_time_is_that_of_the_inference_loop_alone() -> None:
    assert heard(SAID).generation_sec() == 1.5


def test_a_run_that_never_passed_the_loop_has_no_generation_time() -> None:
    for end in range(8):
        assert heard(SAID[:end]).generation_sec() is None
    assert heard(SAID[:8]).generation_sec() == 1.5


def test_the_stages_add_up_to_the_whole_run() -> None:
    times = heard(SAID).stage_times(50.0)
    assert times == {
        "load": 20.0,
        "extract": 2.0,
        "landmarks": 10.0,
        "latents": 3.0,
        "generate": 1.5,
        "blend": 8.0,
        "encode": 3.0,
        "mux": 2.0,
    }


@given(st.lists(st.sampled_from([line for line, _ in SAID] + ["nonsense", "9/3 [", "1/0 ["]), max_size=40))
def test_progress_stays_within_its_bounds_for_any_output(lines: list[Any]) -> None:
    transcript = Transcript(0.0)
    for at, line in enumerate(lines):
        transcript.add(line, float(at))
        _, fraction = transcript.progress()
        assert 0.0 <= fraction <= 1.0


def test_progress_never_falls_in_a_good_run() -> None:
    transcript, seen = Transcript(0.0), []
    for line, at in SAID:
        transcript.add(line, at)
        seen.append(transcript.progress())
    for before, after in itertools.pairwise(seen):
        assert before[0] < after[0] or (before[0] == after[0] and before[1] <= after[1])


def test_only_the_end_of_the_output_is_kept() -> None:
    transcript = heard([(f"line {number}", 0.0) for number in range(10_000)])
    assert len(transcript.tail) < 100
    assert transcript.tail[-1] == "line 9999"


def test_exit_status_0_is_no_failure() -> None:
    assert judge_ending(Ending(0), heard(SAID)) is None
    assert judge_video(74, True, 74, heard(SAID)) is None


@pytest.mark.parametrize(("frames", "has_sound"), [(0, True), (73, True), (75, True), (74, False)])
def test_an_incomplete_file_is_refused_and_another_node_may_try(frames: int, has_sound: bool) -> None:
    failure = judge_video(frames, has_sound, 74, heard(SAID))
    assert failure is not None
    assert (failure.code, failure.retryable) == ("output_verification_failed", True)


@pytest.mark.parametrize(
    ("words", "hopeless"),
    [
        ("RuntimeError: CUDA error: no kernel image is available for execution on the device", True),
        ("RuntimeError: No CUDA GPUs are available", True),
        ("RuntimeError: Found no NVIDIA driver on your system.", True),
        ("RuntimeError: CUDA error: an illegal memory access was encountered", False),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", False),
    ],
)
def test_a_gpu_that_can_never_work_differs_from_one_that_failed_once(words: str, hopeless: bool) -> None:
    failure = judge_ending(Ending(1), heard([(words, 1.0)]))
    assert failure is not None
    assert (failure.code, failure.retryable, failure.hopeless_node) == ("gpu_fault", True, hopeless)


@pytest.mark.parametrize("limit", ["time", "stall"])
def test_a_limit_names_the_stage_at_which_it_was_reached(limit: str) -> None:
    failure = judge_ending(Ending(None, limit=limit), heard(SAID[:3]))
    assert failure is not None
    assert (failure.code, Stage.LANDMARKS in failure.message) == ("gpu_fault", True)


def test_a_long_4k_video_is_refused_where_its_frames_do_not_fit() -> None:
    budget.check_memory(inputs(), 16 * GIB)
    budget.check_memory(inputs(3840, 2160, 3000, 3000), None)
    with pytest.raises(JobError, match="lower resolution") as caught:
        budget.check_memory(inputs(3840, 2160, 1500, 1500), 16 * GIB)
    assert (caught.value.code, caught.value.retryable) == ("input_too_large", False)
    assert budget.frames_bytes(inputs(1280, 720, 1500, 0)) == 4_147_200_000  # the table of 60 s at 25 fps


@given(st.integers(2, 4096), st.integers(2, 2176), st.integers(1, 15_000), st.integers(1, 15_000))
def test_time_limits_grow_with_the_work_and_the_stall_limit_is_the_smaller(
    width: int, height: int, video_frames: int, frames: int
) -> None:
    limits = budget.time_limits(inputs(width, height, video_frames, frames), 120.0)
    more = budget.time_limits(inputs(width, height, video_frames + 1, frames + 1), 120.0)
    assert limits.limit_sec < more.limit_sec
    assert 120.0 < limits.stall_sec < limits.limit_sec


def test_the_task_is_yaml_that_upstream_can_read() -> None:
    files = command.Files(Path("/scratch/run-1-x"))
    task = yaml.safe_load(command.task_yaml(files))
    assert task == {
        "task_0": {
            "video_path": "/scratch/run-1-x/face.mp4",
            "audio_path": "/scratch/run-1-x/voice.wav",
            "result_name": "made.mp4",
        }
    }


@given(st.dictionaries(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1, max_size=12), st.text(max_size=5)))
def test_the_program_inherits_nothing_that_is_not_on_the_list(outer: dict[str, str]) -> None:
    given_on = command.environment(outer, command.Files(Path("/r")))
    own = command.environment({}, command.Files(Path("/r")))
    assert set(given_on) <= set(own) | command.PASSED_ON


def test_the_workers_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


GOOD_CARD = {"cuda": True, "name": "RTX 3080", "capability": [8, 6], "vram_mib": 10_240}
STACK_A = ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (GOOD_CARD | {"compiled_for": STACK_A}, None),
        (GOOD_CARD | {"capability": [8, 9], "compiled_for": STACK_A}, None),  # machine code for 8.6 runs on 8.9
        (GOOD_CARD | {"capability": [12, 0], "compiled_for": STACK_A}, "not compiled"),  # an RTX 5090
        (GOOD_CARD | {"capability": [12, 0], "compiled_for": [*STACK_A, "compute_90"]}, None),
        (GOOD_CARD | {"capability": [8, 0], "compiled_for": ["sm_86", "nonsense"]}, "not compiled"),
        (GOOD_CARD | {"vram_mib": 6_144, "compiled_for": STACK_A}, "memory"),
        ({"cuda": False, "compiled_for": STACK_A}, "no GPU"),
        ({}, "no GPU"),
    ],
)
def test_a_gpu_that_can_never_make_a_video_is_recognised_by_its_facts(
    facts: dict[str, Any], reason: str | None
) -> None:
    found = judge_gpu(facts)
    assert (found is None) if reason is None else (reason in str(found))
