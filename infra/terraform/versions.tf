# The versions that this root was written for, and the place of its state.

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.45"
    }
  }

  # `terraform init -backend-config=bucket=...` names the bucket (docs/deploy.md), so that deployments share no state.
  backend "gcs" {
    prefix = "avatar-jobs"
  }
}

provider "google" {
  project        = var.project_id
  region         = var.region
  default_labels = merge({ app = var.prefix }, var.labels)

  # API calls that belong to no project, such as those for the billing budget, count on this project's quota.
  billing_project       = var.project_id
  user_project_override = true
}
