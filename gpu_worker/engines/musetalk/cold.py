"""The engine musetalk_cold: a fresh process of upstream's program for each job, in a checkout that is never changed."""

import hashlib
import os
import re
from pathlib import Path

from gpu_worker.adapters.media_tools import MediaTools, ToolRunner
from gpu_worker.adapters.memory import memory_bytes
from gpu_worker.adapters.scratch import run_directory, sweep
from gpu_worker.domain.progress import Phase, RunProgress
from gpu_worker.engines.musetalk import budget
from gpu_worker.engines.musetalk.cold_run import ColdRun, ColdSettings
from gpu_worker.engines.musetalk.command import Files, passed_on
from gpu_worker.engines.musetalk.hardware import check_gpu
from gpu_worker.engines.port import EngineNotAllowed, PreparedInputs, Rendered

SAFE_PATH = re.compile(r"[A-Za-z0-9_./-]+")
PINNED = "0a89dec"  # upstream's commit that transcript.py and verdict.py were written for
PINNED_SHA256 = "aaf9c8289c8f07eaf00b87fb11442ac0e1005ac4e2f469966ae3dab2dc4a03aa"  # of its scripts/inference.py


class MuseTalkCold:
    """An engine that keeps nothing between jobs: it loads the models each time, as the first system did."""

    name = "musetalk_cold"

    def __init__(self, settings: ColdSettings, tools: MediaTools) -> None:
        self._settings = settings
        self._tools = tools
        self._ready = False

    @property
    def version(self) -> str:
        """Upstream's commit, or the start of its program's hash when that is not the pinned one."""
        digest = hashlib.sha256(self._script().read_bytes()).hexdigest()
        return PINNED if digest == PINNED_SHA256 else f"sha256:{digest[:12]}"

    def start(self) -> None:
        """Checks that jobs can run; raises EngineNotAllowed that names what is missing, and on a node
        HopelessHardware."""
        settings = self._settings
        if not self._script().is_file():
            raise EngineNotAllowed(f"MUSETALK_WORKDIR={settings.work_dir} holds no scripts/inference.py of MuseTalk")
        if not os.access(settings.python, os.X_OK):
            raise EngineNotAllowed(f"MUSETALK_PYTHON={settings.python} is not a program that can be run")
        if not SAFE_PATH.fullmatch(str(settings.result_dir)):
            raise EngineNotAllowed("MUSETALK_RESULT_DIR may hold letters, digits, '_', '-', '.' and '/' only")
        if settings.on_node:
            check_gpu(settings.python, passed_on(settings.outer))
        sweep(settings.result_dir)
        self._ready = True

    def is_ready(self) -> bool:
        """Returns whether start has succeeded; a job in progress changes nothing."""
        return self._ready

    def stop(self) -> None:
        """Accepts no more jobs; the run in progress ends with its control."""
        self._ready = False

    def render(self, inputs: PreparedInputs, runner: ToolRunner, progress: RunProgress) -> Rendered:
        """Runs the program once, checks the file that it wrote, and adds the app's own sound; see the port."""
        progress.enter(Phase.GENERATING)
        budget.check_memory(inputs, memory_bytes())
        with run_directory(self._settings.result_dir) as directory:
            run = ColdRun(self._settings, Files(directory), inputs, runner, progress)
            run.lay_out(self._tools)
            ending = run.follow_program()
            run.judge(ending)
            return run.finish()

    def _script(self) -> Path:
        return self._settings.work_dir / "scripts" / "inference.py"
