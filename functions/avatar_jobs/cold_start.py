"""Stops the garbage collector while a function loads, because what is loaded stays for the life of the process.

Loading makes a few hundred thousand objects. The collector would visit them again and again while they are made, which
takes a sixth of a cold start, and once more in every later full collection.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Collects nothing inside the block. Afterwards the collector ignores what was loaded (gc.freeze)."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
