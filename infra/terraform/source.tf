# The functions' zips from `make package`. The name contains the hash, so a changed zip is deployed.

locals {
  packages = { for key in keys(local.names) : key => "${path.module}/${var.packages_dir}/${key}.zip" }
}

resource "google_storage_bucket" "source" {
  #checkov:skip=CKV_GCP_62:the zips are this repository's code; the audit log has the deploys, and only one account reads the bucket
  name     = "${var.project_id}-${var.prefix}-functions"
  location = var.region

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection

  versioning {
    enabled = true
  }

  # Replaced zips stay for 30 days, for a rollback.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 30
    }
  }

  depends_on = [google_project_service.services]
}

resource "google_storage_bucket_object" "packages" {
  for_each = { for key, path in local.packages : key => path if contains(keys(local.deployed), key) }

  name           = "${each.key}-${filesha256(each.value)}.zip"
  bucket         = google_storage_bucket.source.name
  source         = each.value
  source_md5hash = filemd5(each.value)
  content_type   = "application/zip"
}
