"""Rules for every plan: rights, what is public, secrets, times, protection."""

import json
import re
from typing import Any

import pytest

from infra.tools.package import FUNCTIONS
from tests.deploy.terraform_root import TerraformRoot, resources

Plan = dict[str, Any]

# Every right of every account, by hand: a new one is a decision, and fails here first.
ROLES_OF_ACCOUNTS = {
    "google_project_iam_member": {
        "submit_job": "roles/datastore.user",
        "job_status": "roles/datastore.user",
        "salad_webhook": "roles/datastore.user",
        "scale_tick": "roles/datastore.user",
        "submit_job/roles/cloudscheduler.jobRunner": "roles/cloudscheduler.jobRunner",
        "build_logs": "roles/logging.logWriter",
        "build_source": "roles/storage.objectViewer",
    },
    "google_artifact_registry_repository_iam_member": {
        "build_images": "roles/artifactregistry.writer",
        "image_reader": "roles/artifactregistry.reader",
    },
}
READERS_OF_SECRETS = {
    "submit_job": {"api_clients", "b2_read_app_key", "b2_mint_app_key", "report_token_secrets", "salad_api_key"},
    "job_status": {"api_clients", "b2_read_app_key"},
    "salad_webhook": {"api_clients", "b2_read_app_key", "report_token_secrets", "salad_webhook_secrets"},
    "scale_tick": {
        "api_clients", "b2_retention_app_key", "b2_mint_app_key", "report_token_secrets", "salad_api_key"
    },
}  # fmt: skip
PUBLIC = {"allUsers", "allAuthenticatedUsers"}


def functions_of(plan: Plan) -> dict[str, Plan]:
    """Function -> its service_config."""
    return {key: one["service_config"][0] for key, one in resources(plan, "google_cloudfunctions2_function").items()}


def grants(plan: Plan) -> list[Plan]:
    """The values of every IAM grant in the plan, of whatever kind."""
    found = plan["planned_values"]["root_module"]["resources"]
    return [one for one in found if one["type"].endswith(("_iam_member", "_iam_binding", "_iam_policy"))]


@pytest.mark.parametrize("kind", ROLES_OF_ACCOUNTS)
def test_no_account_has_a_right_beyond_the_list(plan: Plan, kind: str) -> None:
    assert {key: one["role"] for key, one in resources(plan, kind).items()} == ROLES_OF_ACCOUNTS[kind]


def test_project_wide_rights_have_a_condition_where_the_cloud_supports_one(plan: Plan) -> None:
    for key, one in resources(plan, "google_project_iam_member").items():
        is_narrow = bool(one["condition"])
        assert is_narrow == (one["role"] in ("roles/datastore.user", "roles/storage.objectViewer")), key
        if one["role"] == "roles/datastore.user":
            assert "databases/avatar-jobs" in one["condition"][0]["expression"]


def test_rights_are_added_and_never_replace_those_of_others(plan: Plan) -> None:
    assert grants(plan)
    assert [one["address"] for one in grants(plan) if not one["type"].endswith("_iam_member")] == []


def test_each_function_may_read_only_its_own_secrets(plan: Plan) -> None:
    found: dict[str, set[str]] = {}
    for key, one in resources(plan, "google_secret_manager_secret_iam_member").items():
        if one["role"] == "roles/secretmanager.secretAccessor":
            function, secret = key.split("/")
            found.setdefault(function, set()).add(secret)
        else:
            assert one["role"] == "roles/secretmanager.secretVersionAdder", "people add versions and read none"
    assert found == READERS_OF_SECRETS


def test_a_function_may_read_exactly_the_secrets_that_it_uses(plan: Plan) -> None:
    allowed = resources(plan, "google_secret_manager_secret_iam_member")
    for function, service in functions_of(plan).items():
        read = {one["secret"] for one in service["secret_environment_variables"]}
        assert read == {f"avatar-{secret.replace('_', '-')}" for secret in READERS_OF_SECRETS[function]}
        assert {f"{function}/{secret}" for secret in READERS_OF_SECRETS[function]} <= set(allowed)


def test_the_public_function_has_no_key_of_salad(plan: Plan) -> None:
    keys = {one["key"] for one in functions_of(plan)["salad_webhook"]["secret_environment_variables"]}
    assert keys & {"SALAD_API_KEY", "B2_MINT_APP_KEY"} == set()


def test_only_the_webhook_is_public(plan: Plan) -> None:
    public = [one["address"] for one in grants(plan) if PUBLIC & {one["values"].get("member", "")}]
    assert public == ['google_cloud_run_v2_service_iam_member.invokers["salad_webhook/allUsers"]']


@pytest.mark.parametrize("mode", ["org_policy_exception", "run_service", "front"])
def test_each_way_around_an_organisation_policy_opens_only_the_webhook(terraform: TerraformRoot, mode: str) -> None:
    front = {
        "webhook_public_origin": "https://hooks.example.com",
        "webhook_invokers": ["serviceAccount:front@my-avatar-project.iam.gserviceaccount.com"],
    }
    plan = terraform.planned(webhook_public_mode=mode, **(front if mode == "front" else {}))
    invokers = set(resources(plan, "google_cloud_run_v2_service_iam_member"))
    public = {one for one in invokers if one.endswith("/allUsers")}
    services = resources(plan, "google_cloud_run_v2_service")
    policies = resources(plan, "google_org_policy_policy")
    settings = functions_of(plan)["submit_job"]["environment_variables"]
    if mode == "org_policy_exception":
        assert (public, len(policies), services) == ({"salad_webhook/allUsers"}, 1, {})
    elif mode == "front":
        assert (public, policies, services) == (set(), {}, {})
        assert "salad_webhook/serviceAccount:front@my-avatar-project.iam.gserviceaccount.com" in invokers
        assert settings["PUBLIC_BASE_URL"] == "https://hooks.example.com"
    else:
        assert (public, policies, set(services)) == (set(), {}, {"salad_webhook"})
        assert services["salad_webhook"]["invoker_iam_disabled"] is True
        assert "salad_webhook" not in functions_of(plan)
        names = {one["name"] for one in services["salad_webhook"]["template"][0]["containers"][0]["env"]}
        assert {"REPORT_TOKEN_SECRETS", "SALAD_WEBHOOK_SECRETS", "B2_APP_KEY", "FIRESTORE_DATABASE"} <= names


def test_only_the_scheduler_may_call_the_tick_and_only_from_inside(plan: Plan) -> None:
    invokers = [
        one for one in resources(plan, "google_cloud_run_v2_service_iam_member") if one.startswith("scale_tick")
    ]
    assert invokers == ["scale_tick/serviceAccount:avatar-scheduler@my-avatar-project.iam.gserviceaccount.com"]
    assert functions_of(plan)["scale_tick"]["ingress_settings"] == "ALLOW_INTERNAL_ONLY"


def test_the_tick_is_never_behind_the_base_url(plan: Plan) -> None:
    assert set(resources(plan, "google_compute_backend_service")) == {"submit_job", "job_status", "salad_webhook"}
    assert "scale-tick" not in json.dumps(resources(plan, "google_compute_url_map"))


def test_the_base_url_splits_paths_as_the_gateway_of_the_rehearsal_does(plan: Plan) -> None:
    matcher = resources(plan, "google_compute_url_map")["domain"]["path_matcher"][0]
    paths = {path for rule in matcher["path_rule"] for path in rule["paths"]}
    assert paths == {
        "/v1/avatar/jobs", "/v1/avatar/jobs/*", "/v1/avatar/health", "/v1/webhooks/salad", "/v1/worker/*"
    }  # fmt: skip


def test_with_a_domain_functions_are_only_reached_through_it(plan: Plan) -> None:
    for function in ("submit_job", "job_status", "salad_webhook"):
        assert functions_of(plan)[function]["ingress_settings"] == "ALLOW_INTERNAL_AND_GCLB"


def test_no_value_of_a_secret_is_in_plan_or_configuration(plan: Plan) -> None:
    assert resources(plan, "google_secret_manager_secret_version") == {}
    assert resources(plan, "google_service_account_key") == {}
    text = json.dumps(plan)
    assert "secret_data" not in text
    assert re.findall(r"whsec_|-----BEGIN|AIza[\w-]{10}", text) == []
    for service in functions_of(plan).values():
        open_names = set(service["environment_variables"])
        assert {name for name in open_names if re.search(r"(APP_KEY|API_KEY|SECRETS?|CLIENTS)$", name)} == set()


def test_versions_of_secrets_are_numbers(plan: Plan) -> None:
    versions = {one["version"] for each in functions_of(plan).values() for one in each["secret_environment_variables"]}
    assert versions == {"1"}


def test_a_rotation_changes_only_the_version_of_that_secret(terraform: TerraformRoot, plan: Plan) -> None:
    after = terraform.planned(secret_versions=dict.fromkeys(sorted(set().union(*READERS_OF_SECRETS.values())), 1)
                              | {"report_token_secrets": 2})  # fmt: skip
    for function, service in functions_of(after).items():
        versions = {one["key"]: one["version"] for one in service["secret_environment_variables"]}
        expected = {name: "2" if name == "REPORT_TOKEN_SECRETS" else "1" for name in versions}
        assert versions == expected, function


def test_before_the_secrets_have_versions_everything_else_is_made(terraform: TerraformRoot) -> None:
    first = terraform.planned(secret_versions=None, domain="avatar.example.com")
    for kind in ("google_cloudfunctions2_function", "google_cloud_scheduler_job", "google_compute_url_map",
                 "google_cloud_run_v2_service_iam_member"):  # fmt: skip
        assert resources(first, kind) == {}, kind
    assert len(resources(first, "google_secret_manager_secret")) == 7
    assert resources(first, "google_firestore_database")
    assert first["planned_values"]["outputs"]["functions_deployed"]["value"] is False


def test_a_tick_ends_before_the_scheduler_gives_up_and_that_before_the_next_minute(plan: Plan) -> None:
    timeout = functions_of(plan)["scale_tick"]["timeout_seconds"]
    job = resources(plan, "google_cloud_scheduler_job")["scale_tick"]
    deadline = int(job["attempt_deadline"].removesuffix("s"))
    assert timeout < deadline < 60
    assert (job["schedule"], job["retry_config"][0]["retry_count"]) == ("* * * * *", 0)
    assert functions_of(plan)["scale_tick"]["environment_variables"]["TICK_PERIOD_SEC"] == "60"


def test_a_tick_has_time_for_its_work_and_ends_before_its_lease(plan: Plan) -> None:
    assert 0.8 * 60 < functions_of(plan)["scale_tick"]["timeout_seconds"] <= 0.9 * 60


def test_several_requests_at_a_time_have_a_cpu_and_a_thread_each(plan: Plan) -> None:
    assert set(functions_of(plan)) == set(FUNCTIONS)
    for function, service in functions_of(plan).items():
        concurrency = service["max_instance_request_concurrency"]
        assert concurrency == int(service["environment_variables"]["THREADS"]), function
        assert concurrency == 1 or float(service["available_cpu"]) >= 1, function


def test_submit_job_shares_its_calls_among_as_many_instances_as_there_can_be(terraform: TerraformRoot) -> None:
    service = functions_of(terraform.planned(submit_max_instances=7))["submit_job"]
    assert service["max_instance_count"] == 7
    assert service["environment_variables"]["SUBMIT_MAX_INSTANCES"] == "7"


def test_the_tick_that_submit_job_starts_is_the_schedulers(plan: Plan) -> None:
    job = resources(plan, "google_cloud_scheduler_job")["scale_tick"]
    expected = f"projects/my-avatar-project/locations/{job['region']}/jobs/{job['name']}"
    assert functions_of(plan)["submit_job"]["environment_variables"]["WAKE_JOB"] == expected


def test_resources_that_cannot_be_recreated_are_protected(plan: Plan) -> None:
    (database,) = resources(plan, "google_firestore_database").values()
    assert database["delete_protection_state"] == "DELETE_PROTECTION_ENABLED"
    assert database["point_in_time_recovery_enablement"] == "POINT_IN_TIME_RECOVERY_ENABLED"
    assert database["deletion_policy"] == "DELETE", "destroying a protected one fails instead of forgetting it"
    assert database["name"] != "(default)"
    assert all(one["deletion_protection"] for one in resources(plan, "google_secret_manager_secret").values())
    (bucket,) = resources(plan, "google_storage_bucket").values()
    assert (bucket["force_destroy"], bucket["versioning"][0]["enabled"]) == (False, True)
    assert bucket["public_access_prevention"] == "enforced"
    assert resources(plan, "google_firestore_backup_schedule")


def test_protection_can_be_removed_before_a_destroy(terraform: TerraformRoot) -> None:
    down = terraform.planned(deletion_protection=False)
    (database,) = resources(down, "google_firestore_database").values()
    assert database["delete_protection_state"] == "DELETE_PROTECTION_DISABLED"
    assert not any(one["deletion_protection"] for one in resources(down, "google_secret_manager_secret").values())


def test_a_changed_package_changes_the_name_of_its_object(terraform: TerraformRoot, plan: Plan) -> None:
    before = {key: one["name"] for key, one in resources(plan, "google_storage_bucket_object").items()}
    package = terraform.folder.parents[1] / "build" / "job_status.zip"
    original = package.read_bytes()
    try:
        package.write_bytes(original + b"changed")
        after = {
            key: one["name"] for key, one in resources(terraform.planned(), "google_storage_bucket_object").items()
        }
    finally:
        package.write_bytes(original)
    assert {key for key in before if before[key] != after[key]} == {"job_status"}


def test_the_runtime_is_the_one_that_ci_runs(plan: Plan) -> None:
    built = resources(plan, "google_cloudfunctions2_function")
    assert {one["build_config"][0]["runtime"] for one in built.values()} == {"python313"}
    assert {key: one["build_config"][0]["entry_point"] for key, one in built.items()} == {key: key for key in FUNCTIONS}
