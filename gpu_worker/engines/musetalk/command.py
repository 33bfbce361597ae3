"""The call of upstream's program: its YAML, its arguments, its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

HOOKS = Path(__file__).with_name("child_hooks")
RESULT_NAME = "made.mp4"
# The variables that a CUDA program needs, and no others: the worker's environment may hold storage keys.
PASSED_ON = frozenset(
    {
        "CUDA_DEVICE_ORDER",
        "CUDA_HOME",
        "CUDA_VISIBLE_DEVICES",
        "LANG",
        "LD_LIBRARY_PATH",
        "NVIDIA_DRIVER_CAPABILITIES",
        "NVIDIA_VISIBLE_DEVICES",
        "PATH",
        "PYTORCH_CUDA_ALLOC_CONF",
    }
)


@dataclass(frozen=True)
class Files:
    """The files in the private directory of one run. Their paths hold no space and no character with a meaning in a
    shell, because upstream puts them into shell commands unquoted."""

    directory: Path

    @property
    def video(self) -> Path:
        """The face video."""
        return self.directory / "face.mp4"

    @property
    def audio(self) -> Path:
        """The voice."""
        return self.directory / "voice.wav"

    @property
    def task(self) -> Path:
        """The YAML that names the task."""
        return self.directory / "task.yaml"

    @property
    def results(self) -> Path:
        """Upstream's --result_dir; upstream writes into its parent directory as well."""
        return self.directory / "results"

    @property
    def made(self) -> Path:
        """The video that upstream makes."""
        return self.results / "v15" / RESULT_NAME

    @property
    def programs(self) -> Path:
        """The directory with the program `ffmpeg`."""
        return self.directory / "bin"

    @property
    def gpu_facts(self) -> Path:
        """The JSON that child_hooks/sitecustomize.py writes."""
        return self.directory / "gpu.json"


def task_yaml(files: Files) -> str:
    """Returns the YAML of upstream's --inference_config for one task."""
    task = {"video_path": str(files.video), "audio_path": str(files.audio), "result_name": RESULT_NAME}
    return yaml.safe_dump({"task_0": task}, sort_keys=False)


def arguments(python: Path, files: Files, *, batch_size: int, half_precision: bool) -> list[str]:
    """Returns the argument list; paths of weights are relative to the checkout, which is the working directory."""
    return [
        *(str(python), "-m", "scripts.inference", "--version", "v15"),
        *("--inference_config", str(files.task), "--result_dir", str(files.results)),
        *("--unet_model_path", "./models/musetalkV15/unet.pth"),
        *("--unet_config", "./models/musetalkV15/musetalk.json"),  # upstream's default names a file that does not exist
        *("--whisper_dir", "./models/whisper", "--batch_size", str(batch_size)),
        *(["--use_float16"] if half_precision else []),
    ]


def passed_on(outer: Mapping[str, str]) -> dict[str, str]:
    """Returns the part of the worker's environment that is passed to its programs."""
    return {name: value for name, value in outer.items() if name in PASSED_ON}


def environment(outer: Mapping[str, str], files: Files) -> dict[str, str]:
    """Returns the whole environment of the program; outer: the worker's, of which only PASSED_ON is kept."""
    kept = passed_on(outer)
    return kept | {
        "PATH": f"{files.programs}:{kept.get('PATH', '/usr/bin:/bin')}",
        "HOME": str(files.directory),  # caches of libraries are removed with the run
        "TMPDIR": str(files.directory),
        "PYTHONPATH": str(HOOKS),
        "GPU_FACTS_FILE": str(files.gpu_facts),
        "PYTHONUNBUFFERED": "1",  # the stages are timed by the arrival of their lines
        "PYTHONDONTWRITEBYTECODE": "1",  # the checkout is read-only
        "HF_HUB_OFFLINE": "1",  # fetching weights during a job would take minutes
        "TRANSFORMERS_OFFLINE": "1",
        "OMP_NUM_THREADS": "2",  # more threads made it slower: those of several libraries compete for the same cores
    }
