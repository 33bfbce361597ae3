# Images: what the cloud builds of the functions, and the worker's, which Salad pulls.

resource "google_artifact_registry_repository" "functions" {
  #checkov:skip=CKV_GCP_84:images hold no secret, and Google encrypts them; a key of our own is one more thing that can be lost
  location      = var.region
  repository_id = "${var.prefix}-functions"
  description   = "Built by the cloud, one image a deploy"
  format        = "DOCKER"

  # Every apply that changes a function builds an image; ten of each are enough to look back at.
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
  #checkov:skip=CKV_GCP_84:images hold no secret, and Google encrypts them; a key of our own is one more thing that can be lost
  location      = var.region
  repository_id = "${var.prefix}-worker"
  description   = "The worker's image, pulled by Salad's nodes"
  format        = "DOCKER"

  # A tag that could move would let two nodes of one group run different code.
  docker_config {
    immutable_tags = true
  }

  depends_on = [google_project_service.services]
}
