"""Builds a function's environment as Terraform plans it, with fake values for the secrets."""

from typing import Any

from tests.deploy.terraform_root import resources

SECRETS = {
    "API_CLIENTS": '{"app": {"api_keys": ["key-of-sixteen-chars"], "callback_secrets": ["whsec_c2VjcmV0c2VjcmV0"]}}',
    "REPORT_TOKEN_SECRETS": "a-report-token-secret-of-32-chars",
    "SALAD_WEBHOOK_SECRETS": "whsec_c2VjcmV0c2VjcmV0",
    "SALAD_API_KEY": "fake-salad-key",
    "B2_APP_KEY": "fake-b2-key",
    "B2_MINT_APP_KEY": "fake-mint-key",
}


def deployed_environment(plan: dict[str, Any], function: str) -> dict[str, str]:
    """Returns the plan's variables of a function, and a fake value for each secret variable."""
    service = resources(plan, "google_cloudfunctions2_function")[function]["service_config"][0]
    secrets = {one["key"]: SECRETS[one["key"]] for one in service["secret_environment_variables"]}
    assert secrets.keys() & service["environment_variables"].keys() == set()
    return {**service["environment_variables"], **secrets}
