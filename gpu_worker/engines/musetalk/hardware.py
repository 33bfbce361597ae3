"""Decides at the start whether this node's GPU can make videos at all."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpu_worker.engines.port import HopelessHardware

PROGRAM = Path(__file__).with_name("gpu_check.py")
CHECK_SEC = 180.0  # importing torch and all other libraries from a cold disk at home took 18 s
# Upstream allocates 7,065 MiB at its peak, while it loads; a card with less memory cannot load it.
MIN_VRAM_MIB = 7_100
COMPILED_FOR = re.compile(r"(sm|compute)_(\d+)(\d)")


def check_gpu(python: Path, environment: Mapping[str, str]) -> None:
    """Raises HopelessHardware when this node can never make a video."""
    command = [str(python), str(PROGRAM)]
    try:
        done = subprocess.run(command, env=dict(environment), capture_output=True, timeout=CHECK_SEC, check=True)
        facts = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise HopelessHardware(f"torch cannot be asked about the GPU: {last[:300]}") from error
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise HopelessHardware(f"torch did not answer about the GPU: {type(error).__name__}") from error
    reason = judge_gpu(facts)
    if reason is not None:
        raise HopelessHardware(reason)


def judge_gpu(facts: Mapping[str, Any]) -> str | None:
    """Returns why no video can be made on this GPU, None when one can; facts: what gpu_check.py prints."""
    if not facts.get("cuda"):
        return "there is no GPU that CUDA can use"
    name, vram_mib = facts.get("name"), int(facts.get("vram_mib") or 0)
    if vram_mib < MIN_VRAM_MIB:
        return f"{name} has {vram_mib} MiB of memory; {MIN_VRAM_MIB} are needed"
    major, minor = facts["capability"]
    if not _runs_on(facts.get("compiled_for") or [], int(major), int(minor)):
        return f"torch was not compiled for {name} (compute capability {major}.{minor})"
    return None


def _runs_on(compiled_for: list[str], major: int, minor: int) -> bool:
    """Returns whether code runs on a card. CUDA's rule: machine code (sm) runs on its own major version from its minor
    on, intermediate code (compute) on every later card (CUDA C++ Programming Guide, binary and PTX compatibility)."""
    for text in compiled_for:
        found = COMPILED_FOR.match(text)
        if found is None:
            continue
        kind, own_major, own_minor = found[1], int(found[2]), int(found[3])
        if kind == "sm" and own_major == major and own_minor <= minor:
            return True
        if kind == "compute" and (own_major, own_minor) <= (major, minor):
            return True
    return False
