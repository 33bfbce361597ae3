"""The output's size and the crop: examples, and properties for every source."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.domain.geometry import ASPECT_RATIOS, RESOLUTIONS, nearest_even, plan_geometry

SQUARE = Fraction(1)


@pytest.mark.parametrize(
    ("source", "pixel_aspect", "aspect_ratio", "resolution", "size"),
    [
        ((1920, 1080), SQUARE, "9:16", "480p", (480, 854)),  # the examples of the API's description
        ((1080, 1920), SQUARE, "16:9", "720p", (1280, 720)),
        ((1920, 1080), SQUARE, "16:9", "480p", (854, 480)),
        ((512, 512), SQUARE, "16:9", "1080p", (1920, 1080)),
        ((512, 512), SQUARE, "4:5", "720p", (720, 900)),
        ((512, 512), SQUARE, "1:1", "480p", (480, 480)),
        ((512, 512), SQUARE, "source", "source", (512, 512)),
        ((351, 607), SQUARE, "source", "source", (350, 606)),  # odd: never a pixel more than there is
        ((1920, 1080), SQUARE, "9:16", "source", (608, 1080)),
        ((720, 576), Fraction(64, 45), "source", "source", (1024, 576)),  # PAL widescreen
        ((720, 576), Fraction(64, 45), "source", "720p", (1280, 720)),
        ((1000, 333), SQUARE, "source", "480p", (1442, 480)),
    ],
)
def test_output_size(
    source: tuple[int, int], pixel_aspect: Fraction, aspect_ratio: str, resolution: str, size: tuple[int, int]
) -> None:
    plan = plan_geometry(*source, pixel_aspect, aspect_ratio, resolution)
    assert (plan.width, plan.height) == size


def test_crop_is_centred_and_keeps_the_whole_short_side() -> None:
    plan = plan_geometry(1920, 1080, SQUARE, "1:1", "720p")
    assert (plan.crop_width, plan.crop_height, plan.crop_x, plan.crop_y) == (1080, 1080, 420, 0)


@pytest.mark.parametrize(
    ("value", "even"), [("853.33", 854), ("852.9", 852), ("853", 852), ("855", 854), ("0.1", 2), ("1080.9", 1080)]
)
def test_nearest_even_takes_the_smaller_on_a_tie(value: Fraction, even: int) -> None:
    assert nearest_even(Fraction(value)) == even


sizes = st.integers(min_value=16, max_value=4096)


@given(
    width=sizes,
    height=sizes,
    pixel_aspect=st.sampled_from([SQUARE, Fraction(64, 45), Fraction(10, 11)]),
    aspect_ratio=st.sampled_from(sorted(ASPECT_RATIOS)),
    resolution=st.sampled_from(sorted(RESOLUTIONS)),
)
def test_every_plan_is_even_and_crops_inside_the_frame(
    width: int, height: int, pixel_aspect: Fraction, aspect_ratio: str, resolution: str
) -> None:
    plan = plan_geometry(width, height, pixel_aspect, aspect_ratio, resolution)
    assert plan.width % 2 == plan.height % 2 == 0
    assert plan.width >= 2
    assert plan.height >= 2
    assert plan.crop_x >= 0
    assert plan.crop_x + plan.crop_width <= width
    assert plan.crop_y >= 0
    assert plan.crop_y + plan.crop_height <= height
    assert abs((width - plan.crop_width) - 2 * plan.crop_x) <= 1
    if RESOLUTIONS[resolution] is not None:
        assert min(plan.width, plan.height) == RESOLUTIONS[resolution] or aspect_ratio == "source"


@given(width=sizes, height=sizes, aspect_ratio=st.sampled_from(["9:16", "16:9", "1:1", "4:5"]))
def test_a_named_ratio_is_met_within_rounding(width: int, height: int, aspect_ratio: str) -> None:
    plan = plan_geometry(width, height, SQUARE, aspect_ratio, "720p")
    wanted = ASPECT_RATIOS[aspect_ratio]
    assert wanted is not None
    assert abs(plan.width - plan.height * wanted) <= 2
