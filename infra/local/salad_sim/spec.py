"""Reads Salad's OpenAPI file with our corrections, and checks requests and answers against it."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

_FOLDER = Path(__file__).parent.parent
_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation of the file. path: as in the file, with {names}."""

    id: str
    method: str
    path: str
    request_schemas: dict[str, Any]  # by content type; empty when the operation takes no body
    query: dict[str, Any]  # schemas by name
    responses: dict[str, Any]  # by status text or "default"


class Spec:
    """Salad's API as the OpenAPI file and the overlay describe it."""

    def __init__(self, document: dict[str, Any]) -> None:
        """document: an OpenAPI 3.1 document whose references all point into itself."""
        self.document = document

    @cached_property
    def operations(self) -> dict[str, Operation]:
        """All operations by operationId."""
        found = {}
        for path, item in self.document["paths"].items():
            for method in _METHODS:
                if method in item:
                    operation = self._operation(method, path, item[method])
                    found[operation.id] = operation
        return found

    def request_faults(self, operation: Operation, content_type: str, body: Any) -> list[str]:
        """Returns the faults of a request's body. content_type: one that the operation accepts."""
        return self._faults(operation.request_schemas[content_type], body)

    def query_faults(self, operation: Operation, query: dict[str, Any]) -> list[str]:
        """Returns the faults of the query parameters. query: with numbers already parsed."""
        return [
            f"{name}: {fault}"
            for name, schema in operation.query.items()
            if name in query
            for fault in self._faults(schema, query[name])
        ]

    def response_faults(self, operation_id: str, status: int, content_type: str, body: Any) -> list[str]:
        """Returns the faults of an answer: a status, content type or body that the operation does not have.

        body: the parsed JSON, or None for an empty one.
        """
        responses = self.operations[operation_id].responses
        response = self._resolved(responses.get(str(status), responses.get("default")))
        content = response.get("content", {})
        if not content:
            return [] if body is None else [f"{operation_id} {status} has no body"]
        if content_type not in content:
            return [f"{operation_id} {status} does not come as {content_type!r}"]
        return self._faults(content[content_type]["schema"], body)

    def component_faults(self, name: str, value: Any) -> list[str]:
        """Returns the faults of a value by one of the file's named schemas."""
        return self._faults({"$ref": f"#/components/schemas/{name}"}, value)

    def _operation(self, method: str, path: str, item: dict[str, Any]) -> Operation:
        request = self._resolved(item.get("requestBody", {}))
        parameters = [self._resolved(one) for one in item.get("parameters", [])]
        return Operation(
            id=item["operationId"],
            method=method.upper(),
            path=path,
            request_schemas={kind: media["schema"] for kind, media in request.get("content", {}).items()},
            query={one["name"]: one["schema"] for one in parameters if one["in"] == "query"},
            responses=item["responses"],
        )

    def _resolved(self, node: Any) -> dict[str, Any]:
        while "$ref" in node:
            target: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return dict(node)

    def _faults(self, schema: dict[str, Any], value: Any) -> list[str]:
        whole = {"allOf": [schema], "components": self.document["components"]}
        validator = Draft202012Validator(whole, format_checker=FormatChecker())
        return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


def corrected(document: Any, corrections: list[dict[str, Any]]) -> Any:
    """Returns a copy of the document with the value at each correction's `pointer` (a list of keys) replaced.

    Raises ValueError when the old value is not the one that the correction expects.
    """
    copy = json.loads(json.dumps(document))
    for correction in corrections:
        *way, last = correction["pointer"]
        target = copy
        for step in way:
            target = target[step]
        if correction["was"] != target[last]:
            raise ValueError(f"the overlay's {correction['pointer']} does not fit the file: it expects another value")
        target[last] = correction["value"]
    return copy


def load() -> Spec:
    """Returns Salad's API from salad-api.json and salad-api-overlay.json beside this package."""
    document = json.loads((_FOLDER / "salad-api.json").read_text())
    overlay = json.loads((_FOLDER / "salad-api-overlay.json").read_text())
    return Spec(corrected(document, overlay["corrections"]))
