"""Order statistics of measured samples, and the plain-text table that every benchmark prints. No I/O."""

import math
import statistics
from collections.abc import Sequence


def percentile(samples: Sequence[float], share: float) -> float:
    """Returns the smallest sample that at least `share` (0.0 to 1.0) of the samples do not exceed (nearest rank).

    Raises ValueError when there are no samples, or share is out of bounds.
    """
    if not samples or not 0.0 <= share <= 1.0:
        raise ValueError("a percentile needs samples and a share from 0.0 to 1.0")
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(samples: Sequence[float]) -> str:
    """Returns the range from lowest to highest, which shows the noise of the machine."""
    return f"{min(samples):.2f}-{max(samples):.2f}"


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Returns the median of the ratios of paired rounds, which ran one after the other on the same machine.

    Raises ValueError when the numbers of rounds differ.
    """
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a text table with the first column aligned to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(headers, *rows, strict=True)]
    lines = [headers, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def verdict(*, met: bool) -> str:
    """Returns the word with which a table says whether a target was met."""
    return "met" if met else "MISSED"
