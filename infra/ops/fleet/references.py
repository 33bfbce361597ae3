"""Reads the secrets that the file names by reference, and removes them from all output."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from infra.ops.fleet.file_model import FleetFile, Group, SecretReference

SHOWN = "(secret)"
MAX_VARIABLE = 1000  # characters of one environment variable, a limit of Salad's API
MAX_CREDENTIAL = 10_000
LEAST_SCRUBBED = 4  # a shorter text occurs in too many words to be removed from them


@dataclass(frozen=True)
class Secrets:
    """The secrets of a file.

    values: by reference (`env:NAME`, `file:/path`); faults: the secrets that could not be read, each with its place.
    """

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    faults: tuple[str, ...] = ()


def resolve(file: FleetFile, environment: Mapping[str, str], read: Callable[[str], str]) -> Secrets:
    """Returns the secrets of every reference in the file.

    environment: the variables of the command; read: returns a file's text, raises OSError or ValueError.
    """
    values: dict[str, str] = {}
    faults: dict[str, str] = {}
    for place, reference, longest in _references(file):
        if reference in values or reference in faults:
            continue
        value, fault = _looked_up(reference, environment, read)
        fault = fault or _fault_of(value, longest, may_have_lines=place.endswith("service_key"))
        if fault:
            faults[reference] = f"{place}: {fault}"
        else:
            values[reference] = value
    return Secrets(values, tuple(faults.values()))


def scrubber(secrets: Mapping[str, str], api_key: str) -> Callable[[str], str]:
    """Returns a function that removes every secret from a text: Salad's errors may repeat what it was sent."""
    parts = {line for value in (*secrets.values(), api_key) for line in (value, *value.splitlines())}
    hidden = sorted((part for part in parts if len(part) >= LEAST_SCRUBBED), key=len, reverse=True)

    def scrub(text: str) -> str:
        for part in hidden:
            text = text.replace(part, SHOWN)
        return text

    return scrub


def _references(file: FleetFile) -> Iterator[tuple[str, str, int]]:
    """Yields place, reference and the longest value that Salad accepts there."""
    for number, group in enumerate(file.groups):
        for name, value in group.environment.items():
            if isinstance(value, SecretReference):
                yield f"groups[{number}].environment.{name}", value.secret, MAX_VARIABLE
        for name, value in credential_values(group):
            if isinstance(value, SecretReference):
                yield f"groups[{number}].registry_credentials.{name}", value.secret, MAX_CREDENTIAL


def credential_values(group: Group) -> Iterator[tuple[str, SecretReference | str]]:
    """Yields each value of a group's registry credentials with its name, such as `basic.password`."""
    if group.registry_credentials is not None:
        for kind, fields in group.registry_credentials.given().items():
            for name in type(fields).model_fields:
                yield f"{kind}.{name}", getattr(fields, name)


def _looked_up(reference: str, environment: Mapping[str, str], read: Callable[[str], str]) -> tuple[str, str]:
    """Returns the value and "", or "" and the fault."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = environment.get(name, "")
        return value, "" if value else f"the environment has no variable {name}"
    try:
        value = read(name).removesuffix("\n")
    except (OSError, ValueError) as error:
        return "", f"{name} cannot be read ({type(error).__name__})"
    return value, "" if value else f"{name} is empty"


def _fault_of(value: str, longest: int, *, may_have_lines: bool) -> str:
    if len(value) > longest:
        return f"the secret has {len(value)} characters; Salad accepts at most {longest}"
    if len(value.splitlines()) > 1 and not may_have_lines:
        return "the secret has a line break; Salad does not accept one"
    return ""
