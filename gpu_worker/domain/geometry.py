"""Calculates the size of the output and the crop of the source; arithmetic in exact fractions."""

from dataclasses import dataclass
from fractions import Fraction

ASPECT_RATIOS: dict[str, Fraction | None] = {
    "9:16": Fraction(9, 16),
    "16:9": Fraction(16, 9),
    "1:1": Fraction(1),
    "4:5": Fraction(4, 5),
    "source": None,
}
RESOLUTIONS: dict[str, int | None] = {"480p": 480, "720p": 720, "1080p": 1080, "source": None}


@dataclass(frozen=True)
class Geometry:
    """The crop and the scaling that turn a decoded, upright frame into an output frame.

    crop_*: the part to keep, in stored pixels of the upright frame (not square where the source's are not);
    width, height: the output's size in square pixels, both even.
    """

    crop_width: int
    crop_height: int
    crop_x: int
    crop_y: int
    width: int
    height: int


def nearest_even(value: Fraction) -> int:
    """Returns the even number nearest to value, the smaller one on a tie (so that no pixel is invented), at least 2."""
    half = value / 2
    below = half.numerator // half.denominator
    return max(2, 2 * (below if half - below <= Fraction(1, 2) else below + 1))


def plan_geometry(
    stored_width: int, stored_height: int, pixel_aspect: Fraction, aspect_ratio: str, resolution: str
) -> Geometry:
    """Returns the centre crop and the output size.

    stored_width, stored_height: pixels of the frame after rotation was applied; pixel_aspect: width of one stored
    pixel over its height; aspect_ratio, resolution: keys of ASPECT_RATIOS and RESOLUTIONS. `resolution` is the
    output's short side, and the long side is the nearest even number; `source` keeps the size that the crop leaves.
    """
    shown_width = stored_width * pixel_aspect
    shown_height = Fraction(stored_height)
    wanted = ASPECT_RATIOS[aspect_ratio]
    ratio = shown_width / shown_height if wanted is None else wanted
    kept_width = min(shown_width, shown_height * ratio)
    kept_height = min(shown_height, shown_width / ratio)
    width, height = _output_size(kept_width, kept_height, ratio, RESOLUTIONS[resolution])
    crop_width = min(stored_width, max(1, round(kept_width / pixel_aspect)))
    crop_height = min(stored_height, max(1, round(kept_height)))
    return Geometry(
        crop_width=crop_width,
        crop_height=crop_height,
        crop_x=(stored_width - crop_width) // 2,
        crop_y=(stored_height - crop_height) // 2,
        width=width,
        height=height,
    )


def _output_size(
    kept_width: Fraction, kept_height: Fraction, ratio: Fraction, short_side: int | None
) -> tuple[int, int]:
    if short_side is None:
        return nearest_even(kept_width), nearest_even(kept_height)
    if ratio >= 1:
        return nearest_even(short_side * ratio), short_side
    return short_side, nearest_even(short_side / ratio)
