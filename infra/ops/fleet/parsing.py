"""Parses fleet.yaml and reports all its faults at once, each with its place. Pure."""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from infra.ops.fleet.file_model import LINE_TAG, REFERENCE_TAG, FleetFile, Group, SecretReference, Strict

OWN_FIELDS = ("name", "scaling")  # each group says these itself
TAGS = (LINE_TAG, REFERENCE_TAG)
UNSAFE_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)S?$", re.IGNORECASE)
NO_MAPPING = "must be a mapping of names to values"


class FleetFileError(Exception):
    """The file cannot be used; `faults` has one line for each reason."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


def parse(text: str) -> FleetFile:
    """Returns the parsed file. Raises FleetFileError with every fault."""
    document = _document(text)
    if not isinstance(document, dict):
        raise FleetFileError([f"the file {NO_MAPPING}: organization, project, queue, defaults, groups"])
    top = dict(document)
    defaults = top.pop("defaults", None) or {}
    faults = _faults_of_defaults(defaults)
    groups = top.get("groups")
    if isinstance(defaults, dict) and isinstance(groups, list):
        usable = {name: value for name, value in defaults.items() if name in Group.model_fields}
        top["groups"] = [_merged(usable, group) for group in groups]
    try:
        file = FleetFile.model_validate(top)
    except ValidationError as error:
        faults += [_sentence(fault, groups, defaults) for fault in error.errors()]
        raise FleetFileError(list(dict.fromkeys(faults))) from error
    faults += _contradictions(file.groups)
    if faults:
        raise FleetFileError(faults)
    return file


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a name that occurs twice in a mapping; YAML forbids it, the library does not check."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = Counter(str(key.value) for key, _ in node.value)
        twice = [name for name, count in names.items() if count > 1 and name != "<<"]
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"{twice[0]} occurs twice in one mapping", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _document(text: str) -> Any:
    try:
        return yaml.load(text, _UniqueKeyLoader)  # noqa: S506 - a safe loader, made stricter
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FleetFileError([f"line {line}: {error.problem}"]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FleetFileError([f"the file is not YAML: {type(error).__name__}"]) from error


def _faults_of_defaults(defaults: Any) -> list[str]:
    if not isinstance(defaults, dict):
        return [f"defaults: {NO_MAPPING}"]
    faults = [f"defaults.{name}: must be set in each group, not in defaults" for name in OWN_FIELDS if name in defaults]
    unknown = [name for name in defaults if name not in Group.model_fields]
    return faults + [f"defaults.{name}: {_unknown(str(name), Group.model_fields)}" for name in unknown]


def _merged(defaults: Mapping[str, Any], group: Any) -> Any:
    """Returns a group with the defaults for what it leaves out; environments are merged name by name."""
    if not isinstance(group, dict):
        return group
    merged = {**defaults, **group}
    common, own = defaults.get("environment"), group.get("environment")
    if isinstance(common, dict) and isinstance(own, dict):
        merged["environment"] = {**common, **own}
    return merged


def _contradictions(groups: Sequence[Group]) -> list[str]:
    """Returns the faults that no single field shows."""
    names = Counter(group.name for group in groups)
    faults = [f"groups: {name} is the name of {count} groups" for name, count in names.items() if count > 1]
    fixed = [group.name for group in groups if group.scaling.mode == "fixed"]
    if len(fixed) > 1:
        listed = ", ".join(fixed)
        faults.append(
            f"groups: {listed} are all fixed; at most one group may be, "
            "because the tick has one setting for always-on replicas"
        )
    for place, group in enumerate(groups):
        faults += [
            f'groups[{place}].environment.{name}: looks like a secret; write {{secret: "env:{name}"}} instead'
            for name, value in group.environment.items()
            if isinstance(value, str) and UNSAFE_NAME.search(name)
        ]
    return faults


def _sentence(fault: ErrorDetails, groups: Any, defaults: Mapping[str, Any]) -> str:
    return f"{place_of(_steps(fault['loc'], groups, defaults))}: {_reason(fault)}"


def _steps(location: Sequence[int | str], groups: Any, defaults: Mapping[str, Any]) -> list[int | str]:
    """Returns the place of a fault in the file: without the model's tags, under `defaults` if it came from there."""
    steps = [step for step in location if step not in TAGS]
    if len(steps) > 3 and steps[2] == "scaling" and steps[3] in ("fixed", "tick"):
        del steps[3]
    if steps[:1] == ["groups"] and len(steps) > 2 and isinstance(groups, list):
        own = groups[int(steps[1])]
        for step in steps[2:4] if steps[2] == "environment" else steps[2:3]:
            if not isinstance(own, dict) or step not in own:
                return ["defaults", *steps[2:]] if isinstance(defaults, dict) and steps[2] in defaults else steps
            own = own[step]
    return steps


def place_of(steps: Iterable[int | str]) -> str:
    """Returns a place in the file as text, such as groups[1].gpu_classes[0]."""
    written = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return written.removeprefix(".") or "the file"


def _unknown(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return "is not a known field" + (
        f"; did you mean {nearest[0]}?" if nearest else f"; known fields are {', '.join(known)}"
    )


def _reason(fault: ErrorDetails) -> str:
    context = fault.get("ctx", {})
    own = REASONS.get(fault["type"])
    if own is not None:
        return own(fault, context)
    return fault["msg"].removeprefix("Value error, ").replace("Input should", "should")


def _pattern_reason(fault: ErrorDetails, context: Mapping[str, Any]) -> str:
    last = fault["loc"][-1] if fault["loc"] else ""
    if "[a-z0-9-]" in context["pattern"]:
        return "must have 2 to 63 characters of a-z, 0-9 and -, begin with a letter and not end with -"
    if "env:" in context["pattern"]:
        return 'must be "env:NAME" or "file:/path"'
    if last == "image":
        return "must be the name of an image, without spaces"
    return f"does not have the form {context['pattern']}"


def _unknown_reason(fault: ErrorDetails, _: Mapping[str, Any]) -> str:
    *way, name = fault["loc"]
    return _unknown(str(name), _fields_at(way))


def _fields_at(way: Sequence[int | str]) -> list[str]:
    """Returns the names of the fields at a place; an empty list where they are not known."""
    if not way:
        return [*FleetFile.model_fields, "defaults"]
    if way == ["queue"]:
        return list(FleetFile.model_fields["queue"].annotation.model_fields)  # type: ignore[union-attr]
    if len(way) == 2 and way[0] == "groups":
        return list(Group.model_fields)
    found = {cls.__name__: list(cls.model_fields) for cls in Strict.__subclasses__()}
    by_step = {"fixed": "FixedScaling", "tick": "TickScaling", "probes": "Probes", "http": "HttpProbe"}
    by_step |= {"readiness": "Probe", "liveness": "Probe", "startup": "Probe", "queue_connection": "QueueConnection"}
    by_step |= {REFERENCE_TAG: "SecretReference", "registry_credentials": "RegistryCredentials"}
    return found.get(by_step.get(str(way[-1]), ""), [])


def _text_reason(fault: ErrorDetails, _: Mapping[str, Any]) -> str:
    if fault["input"] is False and "countries" in fault["loc"]:
        return 'must be text: write "no" in quotes, because YAML reads it as false'
    return "must be text; write it in quotes"


def _mapping_reason(_: ErrorDetails, context: Mapping[str, Any]) -> str:
    return 'must be {secret: "env:NAME"}' if context.get("class_name") == SecretReference.__name__ else NO_MAPPING


REASONS: Mapping[str, Callable[[ErrorDetails, Mapping[str, Any]], str]] = {
    "missing": lambda fault, context: "is missing",
    "extra_forbidden": _unknown_reason,
    "string_type": _text_reason,
    "string_pattern_mismatch": _pattern_reason,
    "int_type": lambda fault, context: "must be a whole number",
    "float_type": lambda fault, context: "must be a number",
    "greater_than_equal": lambda fault, context: f"must be at least {context['ge']}",
    "greater_than": lambda fault, context: f"must be more than {context['gt']:g}",
    "less_than_equal": lambda fault, context: f"must be at most {context['le']}",
    "less_than": lambda fault, context: f"must be less than {context['lt']:g}",
    "string_too_long": lambda fault, context: f"must have at most {context['max_length']} characters",
    "too_short": lambda fault, context: "must not be empty",
    "too_long": lambda fault, context: f"must have at most {context['max_length']} entries",
    "literal_error": lambda fault, context: f"must be {context['expected']}",
    "model_type": _mapping_reason,
    "dict_type": lambda fault, context: NO_MAPPING,
    "list_type": lambda fault, context: "must be a list",
    "union_tag_not_found": lambda fault, context: "needs mode: fixed or mode: tick",
    "union_tag_invalid": lambda fault, context: "mode must be fixed or tick",
}
