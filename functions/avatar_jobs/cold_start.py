"""Keeps the garbage collector out of the way while a function loads: what is loaded stays for good.

Loading makes a few hundred thousand objects that live as long as the process. The collector walks them again and again
while they are made, which is a sixth of a cold start, and once more in every full collection later.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Collects nothing inside the block; afterwards what was loaded is never looked at again (gc.freeze)."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
