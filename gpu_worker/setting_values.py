"""What the text of a setting may be; each raises ValueError that ends the sentence 'NAME ..., not TEXT'."""

import math

ENGINES = ("preview", "musetalk_cold")
MAX_PORT = 65_535
MAX_BATCH = 256  # far over what any card's memory holds


def as_port(text: str) -> int:
    """A port; 0 stands for a free one."""
    if not text.isascii() or not text.isdigit() or int(text) > MAX_PORT:
        raise ValueError(f"must be a port, 0-{MAX_PORT}")
    return int(text)


def as_engine(text: str) -> str:
    """The name of an engine."""
    if text not in ENGINES:
        raise ValueError(f"must be one of {', '.join(ENGINES)}")
    return text


def as_count(text: str) -> int:
    """How many frames a step takes."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_BATCH:
        raise ValueError(f"must be a whole number, 1-{MAX_BATCH}")
    return int(text)


def as_flag(text: str) -> bool:
    """true or false."""
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def as_positive(text: str) -> float:
    """A number over 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError("must be a number over 0")
    return value


def as_megabytes(text: str) -> int:
    """Bytes of so many megabytes of 10^6."""
    return int(as_positive(text) * 1_000_000)
