# Each function's environment: the settings of docs/environment.md, and the secrets behind them.

locals {
  common_settings = {
    STORE                = "firestore"
    FIRESTORE_PROJECT    = var.project_id
    FIRESTORE_DATABASE   = google_firestore_database.jobs.name
    B2_KEY_ID            = var.b2.read_key_id
    B2_BUCKET_NAME       = var.b2.bucket
    B2_PREFIX            = var.b2.prefix
    B2_S3_ENDPOINT       = "https://s3.${var.b2.region}.backblazeb2.com"
    B2_REGION            = var.b2.region
    B2_DOWNLOAD_URL      = var.b2.download_url
    OUTPUT_URL_MODE      = var.output_url_mode
    OUTPUT_LIFETIME_DAYS = tostring(var.output_lifetime_days)
  }

  common_secrets = {
    API_CLIENTS = "api_clients"
    B2_APP_KEY  = "b2_read_app_key"
  }

  public_base_url = coalesce(
    var.webhook_public_origin,
    var.domain == null ? null : "https://${var.domain}",
    local.origins.salad_webhook,
  )

  dispatch_settings = merge(
    {
      PUBLIC_BASE_URL    = local.public_base_url
      SALAD_ORG_NAME     = local.fleet.organization
      SALAD_PROJECT_NAME = local.fleet.project
      SALAD_QUEUE_NAME   = local.fleet.queue.name
      WORKER_UPLOAD_KEYS = var.worker_upload_keys
    },
    local.mints_keys ? { B2_MINT_KEY_ID = var.b2.mint_key_id } : {},
  )

  dispatch_secrets = merge(
    {
      REPORT_TOKEN_SECRETS = "report_token_secrets"
      SALAD_API_KEY        = "salad_api_key"
    },
    local.mints_keys ? { B2_MINT_APP_KEY = "b2_mint_app_key" } : {},
  )

  webhook_secrets = {
    REPORT_TOKEN_SECRETS  = "report_token_secrets"
    SALAD_WEBHOOK_SECRETS = "salad_webhook_secrets"
  }

  submit_settings = {
    SUBMIT_MAX_INSTANCES = tostring(var.submit_max_instances)
    WAKE_JOB             = "projects/${var.project_id}/locations/${var.region}/jobs/${var.prefix}-tick"
  }

  # Only the tick deletes old files, so only the tick gets the key that may delete.
  tick_secrets = { B2_APP_KEY = "b2_retention_app_key" }

  tick_settings = merge(
    {
      B2_KEY_ID       = var.b2.retention_key_id
      TICK_PERIOD_SEC = tostring(local.tick_period_sec)
    },
    local.fleet_settings,
    local.scaling_settings,
  )

  mints_keys = var.worker_upload_keys == "per_job"
}
