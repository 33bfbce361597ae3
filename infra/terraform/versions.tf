# The versions that this root was written for, and where its state lies.

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.45"
    }
  }

  # The bucket comes from `terraform init -backend-config=bucket=...` (docs/deploy.md): no two deployments share a state.
  backend "gcs" {
    prefix = "avatar-jobs"
  }
}

provider "google" {
  project        = var.project_id
  region         = var.region
  default_labels = merge({ app = var.prefix }, var.labels)

  # Calls of APIs that know no project, such as the billing budget's, are counted on ours.
  billing_project       = var.project_id
  user_project_override = true
}
