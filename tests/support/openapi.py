"""Holds every answer of the API against docs/api/openapi.yaml; an answer that the document does not describe fails."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

DOCUMENT = Path(__file__).parents[2] / "docs" / "api" / "openapi.yaml"


class OpenApiValidator:
    """Built from the document alone; answers under undocumented paths must be 404 problem documents."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text())
        self.checked = 0
        self._patterns = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in sorted(self.document["paths"])
        ]

    def check(self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Raises AssertionError when the answer is not as documented."""
        where = f"{method} {path} -> {status}"
        response = self._resolved(self._response(method, path, status, where))
        lowered = {name.lower(): value for name, value in headers.items()}
        for name, header in response.get("headers", {}).items():
            self._check_header(where, name, self._resolved(header), lowered)
        content = response.get("content")
        if content is None:
            assert not body, f"{where}: a body where none is documented: {body[:200]!r}"
        elif method != "HEAD":
            media_type = lowered.get("content-type", "").split(";")[0]
            assert media_type in content, f"{where}: Content-Type {media_type!r} is not documented"
            self.check_schema(content[media_type]["schema"], json.loads(body), where)
        self.checked += 1

    def check_schema(self, schema: Mapping[str, Any], value: Any, where: str) -> None:
        """Raises AssertionError when a value does not fit a schema of the document."""
        validator = Draft202012Validator({**schema, "components": self.document["components"]})
        faults = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
        assert not faults, f"{where}: {faults}"

    def _response(self, method: str, path: str, status: int, where: str) -> Mapping[str, Any]:
        template = next((template for pattern, template in self._patterns if pattern.fullmatch(path)), None)
        if template is None:
            assert status in (404, 401, 400), f"{where}: the path is not documented"
            return self.document["components"]["responses"]["NotFound" if status == 404 else "Unparsable"]
        operations = self.document["paths"][template]
        operation = operations.get(method.lower()) or next(iter(operations.values()))
        if method.lower() not in operations:
            assert status in (405, 400), f"{where}: the method is not documented"
        assert str(status) in operation["responses"], f"{where}: the status is not documented"
        return operation["responses"][str(status)]

    def _check_header(self, where: str, name: str, header: Mapping[str, Any], given: Mapping[str, str]) -> None:
        value = given.get(name.lower())
        if value is None:
            assert not header.get("required"), f"{where}: the header {name} is missing"
            return
        self.check_schema(header["schema"], value, f"{where}: header {name}")

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            found: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node
