"""Writes facts about the GPU at the end of the model's process; Python imports this module by itself at the start.

It is on the child's PYTHONPATH, so that the checkout stays unchanged. Writes JSON to the file that GPU_FACTS_FILE
names.
"""

import atexit
import json
import os
import sys

MIB = 1024 * 1024


def write_gpu_facts() -> None:
    """Writes the peak of the memory that torch allocated, and the card's name; writes nothing when torch was not
    loaded."""
    torch = sys.modules.get("torch")
    path = os.environ.get("GPU_FACTS_FILE")  # noqa: TID251  this is another program than the worker
    if torch is None or path is None:
        return
    facts = {
        "peak_vram_mib": round(torch.cuda.max_memory_allocated() / MIB, 1),
        "gpu_class": str(torch.cuda.get_device_name()),
    }
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123  imports as little as possible into another program
        json.dump(facts, file)


atexit.register(write_gpu_facts)
