# What the next steps and other systems need to know; no secret.

output "api_urls" {
  description = "Where apps call: the base URL with a domain, else one URL for each function; also the audiences of the apps' identity tokens."
  value = {
    base_url   = var.domain == null ? null : "https://${var.domain}"
    submit_job = local.origins.submit_job
    job_status = local.origins.job_status
  }
}

output "domain_address" {
  description = "The address that the domain's A record must name; null without a domain."
  value       = one([for address in google_compute_global_address.front : address.address])
}

output "functions_deployed" {
  description = "Whether the functions exist: false until secret_versions is set."
  value       = length(local.deployed) > 0
}

output "image_reader_email" {
  description = "The account whose key Salad pulls the worker's image with."
  value       = google_service_account.image_reader.email
}

output "secret_ids" {
  description = "Secret -> name in Secret Manager, to add versions to."
  value       = { for key, secret in google_secret_manager_secret.secrets : key => secret.secret_id }
}

output "service_accounts" {
  description = "Function -> e-mail of its account."
  value       = { for key, account in google_service_account.functions : key => account.email }
}

output "webhook_url" {
  description = "Where Salad sends its webhooks: what submit_job writes into each queue job."
  value       = "${local.public_base_url}/v1/webhooks/salad"
}

output "worker_repository" {
  description = "Where the worker's image is pushed to."
  value       = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.worker.repository_id}"
}
