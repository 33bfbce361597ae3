"""The parser of JSON from outside: what it reads, what it refuses, and that no text makes it fail in another way."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar_jobs.domain.salad import GpuClass
from avatar_jobs.protocol.outside_json import MAX_DEPTH, MAX_VALUES, JsonOverLimitError, NotJsonError, read_json
from avatar_jobs.protocol.salad_job import read_webhook
from avatar_jobs.protocol.salad_queue import read_gpu_classes, read_queue
from avatar_jobs.protocol.worker_result import MalformedResult, read_result

DEEP = [MAX_DEPTH + 1, 900, 100_000]  # within the parser's own limit, near it, far over it


def nested(depth: int) -> str:
    """A list in a list in a list."""
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": [1, -2.5, true, null, "\xc3\xa9"]}', {"a": [1, -2.5, True, None, "é"]}),
        ("[]", []),
        (b'\xef\xbb\xbf"with a byte order mark"', "with a byte order mark"),
        ("[NaN, Infinity, -Infinity, 1e999]", [None] * 4),
        ("999999999999999999", 999_999_999_999_999_999),
        ("-999999999999999999", -999_999_999_999_999_999),
        ("9" * 19, None),
        ("9" * 5000, None),
        (nested(MAX_DEPTH), json.loads(nested(MAX_DEPTH))),
    ],
)
def test_json_is_read_and_numbers_that_no_counter_holds_are_unknown(text: Any, value: Any) -> None:
    assert read_json(text) == value


@pytest.mark.parametrize("text", [b"", b"<html>", b"\xff\xfe", b'{"a": ', "01", "'a'", b"\x00"])
def test_what_is_not_json_is_refused(text: bytes | str) -> None:
    with pytest.raises(NotJsonError):
        read_json(text)


@pytest.mark.parametrize(
    "text",
    [*map(nested, DEEP), *('{"a":' * depth + "1" + "}" * depth for depth in DEEP), r'"\ud800"', r'{"\udfff": 1}'],
    ids=range(8),
)
def test_what_nests_too_deep_or_cannot_be_written_is_over_the_limits(text: str) -> None:
    with pytest.raises(JsonOverLimitError):
        read_json(text)


def test_too_many_values_are_refused_before_they_cost_memory() -> None:
    body = b"[" + b"[]," * MAX_VALUES + b"[]]"
    tracemalloc.start()
    try:
        with pytest.raises(JsonOverLimitError):
            read_json(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(body)


@given(st.binary(max_size=60) | st.text(st.characters() | st.sampled_from('[]{}",:\\u9eE-NaN'), max_size=60))
def test_no_text_makes_it_fail_in_another_way(text: bytes | str) -> None:
    try:
        read_json(text)
    except (NotJsonError, JsonOverLimitError):
        return


@pytest.mark.parametrize("depth", DEEP)
def test_an_output_that_nests_too_deep_is_a_malformed_answer(depth: int) -> None:
    read = read_result(nested(depth), job_id="j" * 32, attempt=1, bucket="b", key="k")
    assert isinstance(read, MalformedResult)
    assert read_webhook(f'{{"data": {{"output": {nested(depth)}}}}}'.encode()) is None


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "1e999", "9" * 400, 10**400, "1_000_000", "١٢", True, [], None])
def test_a_price_that_is_no_plausible_number_is_unknown(price: Any) -> None:
    read = read_gpu_classes({"items": [{"id": "a", "prices": [{"priority": "high", "price": price}]}]})
    assert read[0].price_at("high") in (0.0, 12.0, 1.0)  # float() reads Arabic digits, and True as 1: harmless
    assert read_gpu_classes({"items": [{"id": "a", "prices": [{"priority": "high", "price": "0.25"}]}]}) == [
        GpuClass("a", {"high": 0.25})
    ]


def test_an_absurd_count_of_instances_is_not_counted() -> None:
    counts = {"running_count": 10**15, "creating_count": 2}
    queue = read_queue({"container_groups": [{"current_state": {"instance_status_counts": counts}}]})
    assert queue.instances == {"allocating": 0, "creating": 2, "running": 0, "stopping": 0}
