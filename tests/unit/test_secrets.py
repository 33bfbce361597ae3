"""No secret shows in the repr of a value: a repr ends in logs and tracebacks."""

import base64
import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import avatar_jobs
from avatar_jobs.settings import Environment

ENVIRONMENT_PAGE = Path(__file__).parents[2] / "docs" / "environment.md"
SECRET_FIELD = re.compile(r"(^|_)(secrets?|passwords?|app_keys?|api_keys?|signing_keys?)$")
SECRET_WORD = "hunter2"


def secret_variables() -> set[str]:
    """The variables that the environment page sets in bold: the secrets."""
    return set(re.findall(r"^\| \*\*`([A-Z0-9_]+)`\*\* \|", ENVIRONMENT_PAGE.read_text(), re.MULTILINE))


def secret_value(name: str) -> str:
    """A value of a secret variable that is valid and recognisable; the word also stands in the decoded form."""
    whsec = "whsec_" + base64.b64encode(f"{name} {SECRET_WORD}".encode()).decode()
    if name == "API_CLIENTS":
        return json.dumps({"studio": {"api_keys": [f"{SECRET_WORD}-of-16-or-more"], "callback_secrets": [whsec]}})
    return whsec if "WEBHOOK" in name else f"{SECRET_WORD}-{name}-of-at-least-32-characters"


def readers() -> list[str]:
    """The methods of Environment that read settings: those that need no argument."""
    return [
        name
        for name, method in inspect.getmembers(Environment, inspect.isfunction)
        if not name.startswith("_") and name != "check" and list(inspect.signature(method).parameters) == ["self"]
    ]


def dataclasses_of_the_functions() -> Iterator[type[Any]]:
    """Every dataclass that is defined in avatar_jobs."""
    for module in pkgutil.walk_packages(avatar_jobs.__path__, "avatar_jobs."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module.name:
                yield value


def fields_in_full(value: Any) -> Iterator[Any]:
    """The values of all fields of nested dataclasses and mappings, shown in a repr or not."""
    if dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            yield from fields_in_full(getattr(value, one.name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from fields_in_full(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from fields_in_full(one)
    else:
        yield value


def test_no_settings_show_the_value_of_a_secret_variable() -> None:
    values = {name: secret_value(name) for name in secret_variables()}
    secrets = {part for text in values.values() for part in re.findall(r"whsec_[\w+/=]+|hunter2[\w-]+", text)}
    environment = Environment(values)
    settings = [getattr(environment, name)() for name in readers()]
    dataclass_settings = [one for one in settings if dataclasses.is_dataclass(one)]
    assert [one for one in dataclass_settings if any(secret in repr(one) for secret in secrets)] == []
    held = {one for value in settings for one in fields_in_full(value)}
    assert secrets <= held, "every secret was read by one of the methods"


def test_every_field_that_is_named_as_a_secret_is_left_out_of_the_repr() -> None:
    named = [
        (f"{one.__qualname__}.{each.name}", each.repr)
        for one in dataclasses_of_the_functions()
        for each in dataclasses.fields(one)
        if SECRET_FIELD.search(each.name)
    ]
    assert len(named) >= 5, "the walk finds the settings"
    assert [name for name, shown in named if shown] == []
