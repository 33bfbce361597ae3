"""Draws a period of scaling as a PNG with Pillow: queue, replicas wanted and running, waits, dollars."""

from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from infra.ops.scaling.table import Row

WIDTH, PANEL, MARGIN, LEFT = 1000, 150, 28, 70
Series = tuple[str, str, Callable[[Row], float | None]]
PANELS: tuple[tuple[str, tuple[Series, ...]], ...] = (
    ("jobs", (("waiting", "#1f77b4", lambda row: row.queue), ("running", "#2ca02c", lambda row: row.running))),
    (
        "replicas",
        (
            ("wanted", "#ff7f0e", lambda row: row.wanted),
            ("set", "#9467bd", lambda row: row.have),
            ("running", "#2ca02c", lambda row: row.run),
        ),
    ),
    ("oldest wait, s", (("oldest", "#d62728", lambda row: row.oldest_wait_sec),)),
    ("dollars of the day", (("usd", "#8c564b", lambda row: row.usd),)),
)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Writes the picture to `path`. rows: the oldest first, at least one."""
    image = Image.new("RGB", (WIDTH, len(PANELS) * (PANEL + MARGIN) + MARGIN), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=12)
    for place, (title, series) in enumerate(PANELS):
        top = MARGIN + place * (PANEL + MARGIN)
        _panel(pen, font, rows, title, series, top)
    first, last = rows[0].at, rows[-1].at
    pen.text((LEFT, image.height - MARGIN + 6), f"{first:%Y-%m-%d %H:%M:%S} UTC", "black", font)
    pen.text((WIDTH - 170, image.height - MARGIN + 6), f"{last:%Y-%m-%d %H:%M:%S} UTC", "black", font)
    image.save(path)


def _panel(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    rows: Sequence[Row],
    title: str,
    series: Sequence[Series],
    top: int,
) -> None:
    values = [value for _, _, read in series for row in rows if (value := read(row)) is not None]
    highest = max([1.0, *values])
    pen.rectangle((LEFT, top, WIDTH - 10, top + PANEL), outline="#cccccc")
    pen.text((4, top), f"{highest:g}", "black", font)
    pen.text((4, top + PANEL - 14), "0", "black", font)
    pen.text((LEFT + 4, top - 16), title, "black", font)
    for number, (name, colour, read) in enumerate(series):
        pen.text((LEFT + 160 + 90 * number, top - 16), name, colour, font)
        _line(pen, rows, read, highest, colour, top)


def _line(
    pen: ImageDraw.ImageDraw,
    rows: Sequence[Row],
    read: Callable[[Row], float | None],
    highest: float,
    colour: str,
    top: int,
) -> None:
    """Draws one series in steps, because a value holds until the next tick; an unknown value breaks the line."""
    begin, span = rows[0].at, max(1.0, (rows[-1].at - rows[0].at).total_seconds())
    last: tuple[float, float] | None = None
    for row in rows:
        value = read(row)
        if value is None:
            last = None
            continue
        x = LEFT + (WIDTH - 10 - LEFT) * (row.at - begin).total_seconds() / span
        y = top + PANEL - PANEL * min(1.0, value / highest)
        if last is not None:
            pen.line((*last, x, last[1], x, y), fill=colour, width=2)
        last = (x, y)
