# The APIs of the project that this root uses.

locals {
  services = toset(concat(
    [
      "artifactregistry.googleapis.com",
      "cloudbuild.googleapis.com",
      "cloudfunctions.googleapis.com",
      "cloudresourcemanager.googleapis.com",
      "cloudscheduler.googleapis.com",
      "firestore.googleapis.com",
      "iam.googleapis.com",
      "iamcredentials.googleapis.com",
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "run.googleapis.com",
      "secretmanager.googleapis.com",
      "storage.googleapis.com",
    ],
    var.domain == null ? [] : ["compute.googleapis.com"],
    var.budget == null ? [] : ["billingbudgets.googleapis.com"],
    var.webhook_public_mode == "org_policy_exception" ? ["orgpolicy.googleapis.com"] : [],
  ))
}

resource "google_project_service" "services" {
  for_each = local.services

  service = each.key

  # Another system in the project may still need it after a destroy.
  disable_on_destroy = false
}
