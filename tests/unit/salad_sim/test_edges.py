"""Settings, rate limit, tokens, signatures and the OpenAPI file: the simulator's small parts."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from standardwebhooks.webhooks import Webhook

from infra.local.salad_sim import imds, routes_groups, routes_organization, routes_queues, settings, spec
from infra.local.salad_sim.rate_limit import RateLimit
from infra.local.salad_sim.rest import Registry
from infra.local.salad_sim.webhook_keys import drawn, signature
from infra.local.salad_sim.world import World, merged


def world() -> World:
    return World(webhook_keys={"1": drawn()}, new_id=lambda: "id", on_finished=lambda job: None)


def chosen(**environment: str) -> settings.Settings:
    return settings.from_environment({"SALAD_SIM_API_KEY": "k", **environment})


def test_every_operation_of_the_file_has_a_handler_and_no_other() -> None:
    registry = Registry()
    for routes in (routes_queues, routes_groups, routes_organization):
        routes.register(registry, world(), chosen())
    assert set(registry.handlers) == set(spec.load().operations)


def test_the_corrected_file_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(spec.load().document).validate()


def test_a_correction_that_meets_another_file_is_refused() -> None:
    correction = {"pointer": ["a", "b"], "was": 1, "value": 2}
    assert spec.corrected({"a": {"b": 1}}, [correction]) == {"a": {"b": 2}}
    with pytest.raises(ValueError, match="overlay"):
        spec.corrected({"a": {"b": 3}}, [correction])


def test_every_correction_gives_its_reason() -> None:
    overlay = json.loads((Path(spec.__file__).parent.parent / "salad-api-overlay.json").read_text())
    assert all(len(one["reason"]) > 20 for one in overlay["corrections"])


def test_answers_are_judged_by_status_type_and_body() -> None:
    file = spec.load()
    assert file.response_faults("get_queue", 200, "application/json", {"id": 1}) != []
    assert file.response_faults("get_queue", 200, "text/html", None) != []
    assert file.response_faults("delete_queue", 202, "application/json", {"a": 1}) != []
    assert file.response_faults("delete_queue", 202, "", None) == []


def test_wrong_settings_are_all_named_at_once() -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.from_environment({"SALAD_SIM_PORT": "x", "SALAD_QUEUE_WORKER": "/no/such/program"})
    for name in ("SALAD_SIM_API_KEY", "SALAD_SIM_PORT", "SALAD_QUEUE_WORKER"):
        assert name in str(raised.value)


def test_the_queue_worker_is_the_stand_in_until_a_program_is_named() -> None:
    assert chosen(SALAD_QUEUE_WORKER="").queue_worker_command[1:] == ("-m", "infra.local.queue_worker")
    assert chosen(SALAD_QUEUE_WORKER=sys.executable).queue_worker_command == (sys.executable,)


def test_the_port_may_come_as_port() -> None:
    assert chosen(PORT="81").port == 81
    assert chosen(PORT="81", SALAD_SIM_PORT="82").port == 82


def test_secrets_do_not_show_when_settings_and_keys_are_printed() -> None:
    environment = {"SALAD_SIM_API_KEY": "the-api-key", "SALAD_SIM_WEBHOOK_SECRET_KEY": "the-webhook-key"}
    shown = repr(settings.from_environment(environment))
    assert "the-api-key" not in shown
    assert "the-webhook-key" not in shown
    key = drawn()
    assert key.text not in repr(key)


def test_the_rate_limit_slides_over_a_minute() -> None:
    limit = RateLimit(2)
    assert [limit.wait_sec(now) for now in (0.0, 30.0)] == [0.0, 0.0]
    assert limit.wait_sec(45.0) == 15.0
    assert limit.wait_sec(60.0) == 0.0
    assert limit.wait_sec(61.0) == 29.0


def test_a_token_names_its_instance_until_it_expires() -> None:
    token = imds.token(b"key", "instance", issued_at=1000)
    assert imds.token_subject(b"key", token, now=1001) == "instance"
    assert imds.token_subject(b"key", token, now=1000 + imds.TOKEN_LIFE_SEC) is None
    assert imds.token_subject(b"other", token, now=1001) is None
    assert imds.token_subject(b"key", "x" + token, now=1001) is None
    assert imds.token_subject(b"key", "", now=1001) is None
    assert len(token) <= 1000  # the metadata service's OpenAPI file


def test_the_signature_is_the_one_of_the_published_library() -> None:
    key = drawn().text
    theirs = Webhook(f"whsec_{key}").sign("msg_1", datetime.fromtimestamp(1_700_000_000, UTC), '{"a": 1}')
    assert signature(key, "msg_1", 1_700_000_000, b'{"a": 1}') == theirs


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}),
        ({"a": 1}, [1], [1]),
    ],
)
def test_merge_patches_follow_their_rfc(target: object, patch: object, result: object) -> None:
    assert merged(target, patch) == result
