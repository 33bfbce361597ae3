"""The benchmarks' statistics: nearest-rank percentiles, ratios of neighbouring rounds, aligned tables."""

import pytest

from bench.tables import median_ratio, percentile, table


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)],
)
def test_a_percentile_is_the_sample_that_so_many_do_not_exceed(share: float, expected: float) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_the_p99_of_few_samples_is_the_slowest_of_them() -> None:
    assert percentile([1.0, 2.0, 30.0], 0.99) == 30.0


@pytest.mark.parametrize(("samples", "share"), [([], 0.5), ([1.0], 1.01), ([1.0], -0.1)])
def test_a_percentile_of_nothing_or_of_no_share_is_refused(samples: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(samples, share)


def test_a_slow_moment_of_the_machine_that_hits_both_sides_leaves_the_ratio_as_it_is() -> None:
    assert median_ratio([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]) == 2.0


def test_rounds_that_do_not_pair_up_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        median_ratio([1.0, 2.0], [1.0])


def test_a_table_has_one_column_under_each_header() -> None:
    assert table(["a", "bb"], [["long", "1"], ["x", "222"]]) == "a      bb\n----  ---\nlong    1\nx     222"
