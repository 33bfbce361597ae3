"""Stand-in for hashicorp/google as a plugin process of Terraform: its schema and plan-time rules; it never applies."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import tf.provider
from rules import UNKNOWN, broken_rules
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc

FACTS = json.loads(gzip.decompress((Path(os.path.realpath(__file__)).parent / "google.json.gz").read_bytes()))
NESTING = pb.Schema.NestedBlock.NestingMode
UNKNOWN_ON_THE_WIRE = msgpack.ExtType(0, b"")
WRITE_ONLY = b"\x58\x01"  # field 11 of an attribute, true: newer than the package's messages
FLAGS = ("required", "optional", "computed", "sensitive", "deprecated")
PLACEHOLDERS = {"string": "placeholder", "number": 0, "bool": False}


def attribute(name: str, facts: dict[str, Any]) -> Any:
    """An attribute's schema as Terraform reads it."""
    flags = {flag: facts.get(flag, False) for flag in FLAGS}
    message = pb.Schema.Attribute(name=name, type=json.dumps(facts["type"]).encode(), **flags)
    if facts.get("write_only"):
        message.MergeFromString(WRITE_ONLY)
    return message


def block(facts: dict[str, Any]) -> Any:
    """A block's schema, with the blocks inside it."""
    return pb.Schema.Block(
        attributes=[attribute(name, one) for name, one in facts["attributes"].items()],
        block_types=[
            pb.Schema.NestedBlock(
                type_name=name,
                block=block(one),
                nesting=getattr(NESTING, one["nesting"].upper()),
                min_items=one["min"],
                max_items=one["max"],
            )
            for name, one in facts["blocks"].items()
        ],
    )


def schema(facts: dict[str, Any]) -> Any:
    """The schema of the provider, of a resource or of a data source."""
    return pb.Schema(version=facts.get("version", 0), block=block(facts))


def decode(value: Any) -> Any:
    """A value from Terraform, with UNKNOWN for what only the apply will tell."""
    if not value.msgpack:
        return json.loads(value.json or b"null")
    return msgpack.unpackb(value.msgpack, raw=False, strict_map_key=False, ext_hook=lambda code, data: UNKNOWN)


def encode(value: Any) -> Any:
    """A value for Terraform."""
    packed = msgpack.packb(value, use_bin_type=True, default=lambda one: UNKNOWN_ON_THE_WIRE)
    return pb.DynamicValue(msgpack=packed)


def filled(facts: dict[str, Any], value: Any, computed: Callable[[Any], object]) -> Any:
    """A configuration with each computed attribute that it leaves out replaced by computed(type)."""
    if value is None or value is UNKNOWN:
        return value
    for name, one in facts["attributes"].items():
        if one.get("write_only"):
            value[name] = None
        elif one.get("computed") and value.get(name) is None:
            value[name] = computed(one["type"])
    for name, one in facts["blocks"].items():
        inside = value.get(name)
        if isinstance(inside, list):
            value[name] = [filled(one, element, computed) for element in inside]
        elif isinstance(inside, dict):
            value[name] = filled(one, inside, computed)
    return value


def placeholder(kind: Any) -> Any:
    """What a data source answers for a type."""
    if isinstance(kind, str):
        return PLACEHOLDERS.get(kind)
    return {} if kind[0] in ("map", "object") else []


def error(summary: str, detail: str = "") -> Any:
    """A diagnostic that stops Terraform."""
    return pb.Diagnostic(severity=pb.Diagnostic.ERROR, summary=summary, detail=detail)


class Servicer(rpc.ProviderServicer):
    """Terraform's calls; the names are the protocol's."""

    def __init__(self, app: Any) -> None:
        pass

    def GetProviderSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.GetProviderSchema.Response(
            provider=schema(FACTS["provider"]),
            resource_schemas={name: schema(one) for name, one in FACTS["resources"].items()},
            data_source_schemas={name: schema(one) for name, one in FACTS["data"].items()},
        )

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        broken = broken_rules(FACTS["rules"].get(request.type_name, {}), decode(request.config))
        return pb.ValidateResourceConfig.Response(
            diagnostics=[error("Invalid configuration", one) for one in dict.fromkeys(broken)]
        )

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.ConfigureProvider.Response()

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.UpgradeResourceState.Response(upgraded_state=pb.DynamicValue(json=request.raw_state.json))

    def ReadResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.ReadResource.Response(new_state=request.current_state)

    def ReadDataSource(self, request: Any, context: Any) -> Any:  # noqa: N802
        facts = FACTS["data"][request.type_name]
        return pb.ReadDataSource.Response(state=encode(filled(facts, decode(request.config), placeholder)))

    def PlanResourceChange(self, request: Any, context: Any) -> Any:  # noqa: N802
        facts = FACTS["resources"][request.type_name]
        planned = filled(facts, decode(request.proposed_new_state), lambda kind: UNKNOWN)
        return pb.PlanResourceChange.Response(planned_state=encode(planned))

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.ApplyResourceChange.Response(diagnostics=[error("this is a stand-in: it never applies")])

    def StopProvider(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.StopProvider.Response()


class Provider:
    """What the runner asks of a provider beside the servicer."""

    def full_name(self) -> str:
        """The address that Terraform knows it by."""
        return "registry.terraform.io/hashicorp/google"


tf.provider.ProviderServicer = Servicer  # before the runner is imported, which takes it from there

from tf.runner import run_provider  # noqa: E402

run_provider(Provider())
