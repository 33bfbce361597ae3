# The image registries: one for the functions, which the cloud builds, and one for the worker, which Salad pulls.

resource "google_artifact_registry_repository" "functions" {
  #checkov:skip=CKV_GCP_84:images hold no secret, and Google encrypts them; a key of our own could be lost
  location      = var.region
  repository_id = "${var.prefix}-functions"
  description   = "Images of the functions, built by the cloud at each deploy"
  format        = "DOCKER"

  # Every apply that changes a function builds an image; the last ten are kept.
  cleanup_policy_dry_run = false

  cleanup_policies {
    id     = "keep-ten"
    action = "KEEP"

    most_recent_versions {
      keep_count = 10
    }
  }

  cleanup_policies {
    id     = "delete-older"
    action = "DELETE"

    condition {
      older_than = "2592000s" # 30 days
    }
  }

  depends_on = [google_project_service.services]
}

resource "google_artifact_registry_repository" "worker" {
  #checkov:skip=CKV_GCP_84:images hold no secret, and Google encrypts them; a key of our own could be lost
  location      = var.region
  repository_id = "${var.prefix}-worker"
  description   = "The worker's image, pulled by Salad's nodes"
  format        = "DOCKER"

  # If a tag could be moved, two nodes of one group could run different code.
  docker_config {
    immutable_tags = true
  }

  depends_on = [google_project_service.services]
}
