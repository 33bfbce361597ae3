# What the next steps and other systems need. No output is a secret.

output "api_urls" {
  description = "Addresses for apps: the base URL if there is a domain, and the URL of each function, which is also the audience of the apps' identity tokens."
  value = {
    base_url   = var.domain == null ? null : "https://${var.domain}"
    submit_job = local.origins.submit_job
    job_status = local.origins.job_status
  }
}

output "domain_address" {
  description = "The IP address for the domain's A record; null without a domain."
  value       = one([for address in google_compute_global_address.front : address.address])
}

output "functions_deployed" {
  description = "Whether the functions exist: false until secret_versions is set."
  value       = length(local.deployed) > 0
}

output "image_reader_email" {
  description = "The account with whose key Salad pulls the worker's image."
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
  description = "The address to which Salad sends its webhooks; submit_job writes it into each queue job."
  value       = "${local.public_base_url}/v1/webhooks/salad"
}

output "worker_repository" {
  description = "The repository to which the worker's image is pushed."
  value       = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.worker.repository_id}"
}
