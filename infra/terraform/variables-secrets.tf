# Which versions of the secrets the functions read, and who may add versions.

variable "secret_adders" {
  description = "Who may add versions of the secrets without reading them, as IAM members (people who rotate keys)."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.secret_adders : can(regex("^(serviceAccount|group|user|principal|principalSet):.+", member))])
    error_message = "Each of secret_adders must be an IAM member such as group:platform@example.com."
  }
}

variable "secret_versions" {
  description = "Secret -> number of the version that the functions read. Null until every secret has a version: then everything except the functions is created."
  type        = map(number)
  default     = null

  validation {
    condition     = var.secret_versions == null || alltrue([for version in values(coalesce(var.secret_versions, {})) : version >= 1 && floor(version) == version])
    error_message = "Each of secret_versions must be the whole number of a version, as `gcloud secrets versions list` shows it; \"latest\" could change while instances run."
  }

  validation {
    condition = var.secret_versions == null || length(setsubtract(
      concat(
        ["api_clients", "b2_read_app_key", "b2_retention_app_key", "report_token_secrets", "salad_api_key", "salad_webhook_secrets"],
        var.worker_upload_keys == "per_job" ? ["b2_mint_app_key"] : [],
      ),
      keys(coalesce(var.secret_versions, {})),
    )) == 0
    error_message = "secret_versions lacks a version of a secret that the functions need: give one for each of api_clients, b2_mint_app_key (unless worker_upload_keys is node), b2_read_app_key, b2_retention_app_key, report_token_secrets, salad_api_key, salad_webhook_secrets; or leave secret_versions out until every secret has one."
  }

  validation {
    condition = var.secret_versions == null || length(setsubtract(
      keys(coalesce(var.secret_versions, {})),
      ["api_clients", "b2_mint_app_key", "b2_read_app_key", "b2_retention_app_key", "report_token_secrets", "salad_api_key", "salad_webhook_secrets"],
    )) == 0
    error_message = "secret_versions names a secret that does not exist; the secrets are api_clients, b2_mint_app_key, b2_read_app_key, b2_retention_app_key, report_token_secrets, salad_api_key, salad_webhook_secrets."
  }
}
