# The secrets and who may read each. Values are added by hand (docs/deploy.md), so none is in the state.

locals {
  secrets = merge(
    {
      api_clients           = "API keys and callback secrets of the apps, as JSON"
      b2_read_app_key       = "B2 key that lists and reads the videos"
      b2_retention_app_key  = "B2 key that also deletes the videos"
      report_token_secrets  = "signs the report tokens of the workers"
      salad_api_key         = "key of Salad's REST API"
      salad_webhook_secrets = "verifies Salad's webhooks"
    },
    local.mints_keys ? { b2_mint_app_key = "B2 key that makes the storage keys of single jobs" } : {},
  )

  # One grant for each function and secret that it reads, never one for all secrets.
  secret_readers = merge([for key, one in local.functions : {
    for secret in toset(values(one.secrets)) : "${key}/${secret}" => { function = key, secret = secret }
  }]...)

  secret_adders = merge([for secret in keys(local.secrets) : {
    for member in var.secret_adders : "${secret}/${member}" => { secret = secret, member = member }
  }]...)
}

resource "google_secret_manager_secret" "secrets" {
  for_each = local.secrets

  secret_id           = "${var.prefix}-${replace(each.key, "_", "-")}"
  deletion_protection = var.deletion_protection
  annotations         = { purpose = each.value }

  replication {
    auto {}
  }

  depends_on = [google_project_service.services]
}

resource "google_secret_manager_secret_iam_member" "readers" {
  for_each = local.secret_readers

  secret_id = google_secret_manager_secret.secrets[each.value.secret].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.functions[each.value.function].member
}

resource "google_secret_manager_secret_iam_member" "adders" {
  for_each = local.secret_adders

  secret_id = google_secret_manager_secret.secrets[each.value.secret].id
  role      = "roles/secretmanager.secretVersionAdder"
  member    = each.value.member
}
