"""A small program that asks torch about the GPU and prints the facts as one line of JSON.

`python gpu_check.py`, run by MuseTalk's own interpreter, because the worker's has no torch.
"""

import json

MIB = 1024 * 1024


def main() -> None:
    """Prints the facts; those that are unknown without a GPU are null."""
    import torch

    has_cuda = torch.cuda.is_available()
    facts = {
        "cuda": has_cuda,
        "name": torch.cuda.get_device_name() if has_cuda else None,
        "capability": list(torch.cuda.get_device_capability()) if has_cuda else None,
        "compiled_for": torch.cuda.get_arch_list(),
        "vram_mib": torch.cuda.get_device_properties(0).total_memory // MIB if has_cuda else None,
    }
    print(json.dumps(facts))  # noqa: T201  the worker reads it


if __name__ == "__main__":
    main()
