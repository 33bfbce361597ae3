"""Callback bodies have the form of JSON.stringify: checked by its rules, and by node itself where it is installed."""

import json
import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar_jobs.protocol.compact_json import compact_json

VALUES: list[tuple[Any, str]] = [
    (None, "null"), (True, "true"), (False, "false"), ([], "[]"), ({}, "{}"),
    (0, "0"), (-7, "-7"), (2**53, "9007199254740992"), (2**53 + 1, "9007199254740992"), (10**30, "1e+30"),
    (12345678901234567890, "12345678901234567000"), (10**400, "null"), (float("nan"), "null"), (float("inf"), "null"),
    (0.0, "0"), (-0.0, "0"), (1.0, "1"), (25.0, "25"), (-1.5, "-1.5"), (0.1, "0.1"), (1e-5, "0.00001"),
    (1e-6, "0.000001"), (1e-7, "1e-7"), (1.5e-7, "1.5e-7"), (1e16, "10000000000000000"),
    (1e20, "100000000000000000000"), (1e21, "1e+21"),
    (1.2345e21, "1.2345e+21"), (123456789.123, "123456789.123"), (5e-324, "5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"), (100.0, "100"), (0.001, "0.001"), (123e-20, "1.23e-18"),
    ("ä € 😀 \u2028 \x7f /", '"ä € 😀 \u2028 \x7f /"'), ('"\\', '"\\"\\\\"'),
    ("\b\t\n\f\r\x00\x1f", '"\\b\\t\\n\\f\\r\\u0000\\u001f"'),
    ("\ud800x", '"\\ud800x"'), ("\udfff", '"\\udfff"'),
    ({"b": 1, "10": 2, "a": 3, "9": 4}, '{"9":4,"10":2,"b":1,"a":3}'),
    ({"01": 1, "4294967295": 2, "4294967294": 3, "-1": 4}, '{"4294967294":3,"01":1,"4294967295":2,"-1":4}'),
    ({"": [1, {"x": [None]}]}, '{"":[1,{"x":[null]}]}'), ((1, 2), "[1,2]"),
]  # fmt: skip

names = st.text(max_size=4) | st.from_regex("[0-9]{1,11}", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(("value", "text"), VALUES)
def test_each_value_is_written_as_javascript_writes_it(value: Any, text: str) -> None:
    assert compact_json(value) == text.encode()


@given(values)
def test_what_is_written_means_the_same(value: Any) -> None:
    read = json.loads(compact_json(value), parse_int=float)
    assert read == json.loads(json.dumps(value), parse_int=float)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed; the rules above are its own")
@settings(max_examples=20, deadline=None)  # each starts a process
@given(st.lists(values, max_size=40))
def test_node_writes_the_same_bytes(several: list[Any]) -> None:
    written = compact_json([value for value, _ in VALUES] + several)
    script = "process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0))))"
    assert subprocess.run(["node", "-e", script], input=written, capture_output=True, check=True).stdout == written
