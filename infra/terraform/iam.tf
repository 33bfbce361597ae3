# The accounts' rights, as few as possible. Rights on secrets are in secrets.tf, rights to call in invokers.tf.

locals {
  function_roles = merge([for key, one in local.functions : {
    for role in one.project_roles : "${key}/${role}" => { function = key, role = role }
  }]...)
}

# Reads and writes documents of this database only.
resource "google_project_iam_member" "database_user" {
  for_each = local.names

  project = var.project_id
  role    = "roles/datastore.user"
  member  = google_service_account.functions[each.key].member

  condition {
    title      = "database ${google_firestore_database.jobs.name}"
    expression = "resource.name == \"projects/${var.project_id}/databases/${google_firestore_database.jobs.name}\""
  }
}

resource "google_project_iam_member" "functions" {
  for_each = local.function_roles

  project = var.project_id
  role    = each.value.role
  member  = google_service_account.functions[each.value.function].member
}

resource "google_project_iam_member" "build_logs" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = google_service_account.build.member
}

# A build reads a copy of the zip, which the cloud keeps in a bucket that it creates itself.
resource "google_project_iam_member" "build_source" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.build.member

  condition {
    title = "sources of functions"
    expression = join(" || ", [for bucket in [
      google_storage_bucket.source.name,
      "gcf-v2-sources-${var.project_number}-${var.region}",
      "run-sources-${var.project_id}-${var.region}",
    ] : "resource.name.startsWith(\"projects/_/buckets/${bucket}/\") || resource.name == \"projects/_/buckets/${bucket}\""])
  }
}

resource "google_artifact_registry_repository_iam_member" "build_images" {
  location   = google_artifact_registry_repository.functions.location
  repository = google_artifact_registry_repository.functions.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

resource "google_artifact_registry_repository_iam_member" "image_reader" {
  location   = google_artifact_registry_repository.worker.location
  repository = google_artifact_registry_repository.worker.name
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.image_reader.member
}
