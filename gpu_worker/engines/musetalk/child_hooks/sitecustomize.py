"""Python imports this by itself at the start of the model's process: notes at its end what only it knows of the GPU.

On the child's PYTHONPATH, so that the checkout stays as it is. Writes JSON to the file that GPU_FACTS_FILE names.
"""

import atexit
import json
import os
import sys

MIB = 1024 * 1024


def note_gpu_facts() -> None:
    """Writes the peak of the memory that torch allocated, and the card's name; nothing when torch was never loaded."""
    torch = sys.modules.get("torch")
    path = os.environ.get("GPU_FACTS_FILE")  # noqa: TID251  this is another program than the worker
    if torch is None or path is None:
        return
    facts = {
        "peak_vram_mib": round(torch.cuda.max_memory_allocated() / MIB, 1),
        "gpu_class": str(torch.cuda.get_device_name()),
    }
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123  as little as can be imported in another's process
        json.dump(facts, file)


atexit.register(note_gpu_facts)
