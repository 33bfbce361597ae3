"""Secrets are read by reference, faults in them are reported, and no output contains one."""

from typing import Any

import pytest

from infra.ops.fleet.references import resolve, scrubber
from tests.support.salad_fleet import file_of, group


def no_file(path: str) -> str:
    raise FileNotFoundError(path)


def with_token(reference: str, **fields: Any) -> dict[str, Any]:
    return group(environment={"TOKEN": {"secret": reference}}, **fields)


def test_a_secret_comes_from_the_environment_or_a_file_without_its_last_line_end() -> None:
    file = file_of(with_token("env:A"), {**with_token("file:/run/key"), "name": "second"})
    found = resolve(file, {"A": "one"}, {"/run/key": "two\n"}.__getitem__)
    assert (dict(found.values), found.faults) == ({"env:A": "one", "file:/run/key": "two"}, ())
    assert "one" not in repr(found)


@pytest.mark.parametrize(
    ("reference", "environment", "fault"),
    [
        ("env:A", {}, "the environment has no variable A"),
        ("env:A", {"A": ""}, "the environment has no variable A"),
        ("env:A", {"A": "x" * 1001}, "the secret has 1001 characters; Salad accepts at most 1000"),
        ("env:A", {"A": "x\ny"}, "the secret has a line break; Salad does not accept one"),
        ("file:/run/key", {}, "/run/key cannot be read (FileNotFoundError)"),
    ],
)
def test_a_secret_that_cannot_be_read_is_reported_with_its_place(
    reference: str, environment: dict[str, str], fault: str
) -> None:
    found = resolve(file_of(with_token(reference)), environment, no_file)
    assert found.faults == (f"groups[0].environment.TOKEN: {fault}",)


def test_a_fault_in_a_shared_reference_is_reported_once() -> None:
    file = file_of(
        with_token("env:A"),
        {**with_token("env:A"), "name": "second"},
        with_token("env:B", name=None) | {"name": "third"},
    )
    assert len(resolve(file, {}, no_file).faults) == 2


def test_a_service_key_may_have_lines() -> None:
    file = file_of(group(registry_credentials={"gcp_gar": {"service_key": {"secret": "env:KEY"}}}))
    assert resolve(file, {"KEY": '{\n"a": 1\n}'}, no_file).faults == ()


def test_every_secret_and_each_of_its_lines_is_removed_from_output() -> None:
    scrub = scrubber({"env:A": "hunter2", "env:B": "hunter2-longer", "env:C": "first line\nsecond line"}, "api-key")
    said = "'hunter2-longer' is too long, hunter2, second line, api-key"
    assert scrub(said) == "'(secret)' is too long, (secret), (secret), (secret)"
