# The database of jobs: protected, backed up, with the indexes that the code's queries need and no others.

locals {
  # The same as COMPOSITE_INDEXES in functions/avatar_jobs/adapters/firestore_store/jobs.py; a test compares them.
  composite_indexes = {
    client_created         = [["client", "ASCENDING"], ["created_at", "DESCENDING"]]
    client_status_created  = [["client", "ASCENDING"], ["status", "ASCENDING"], ["created_at", "DESCENDING"]]
    client_request_created = [["client", "ASCENDING"], ["request_id", "ASCENDING"], ["created_at", "DESCENDING"]]
    client_request_status_created = [
      ["client", "ASCENDING"], ["request_id", "ASCENDING"], ["status", "ASCENDING"], ["created_at", "DESCENDING"],
    ]
    client_status  = [["client", "ASCENDING"], ["status", "ASCENDING"]]
    status_created = [["status", "ASCENDING"], ["created_at", "ASCENDING"]]
  }

  # Long texts, and fields that no query uses: an index on them costs writes and refuses values over 1,500 bytes.
  unindexed_fields = {
    jobs        = ["body", "write_id"]
    idempotency = ["body"]
    snapshots   = ["body"]
    fleet       = ["fleet", "lease_holder", "lease_until", "last_tick_at"]
  }

  # Firestore deletes a document within about a day after `expires_at`. The tick purges earlier; this is the fallback.
  expiring_collections = toset(["idempotency", "jobs", "snapshots"])
}

# With a name, because another system often uses the project's (default) database.
resource "google_firestore_database" "jobs" {
  name        = "${var.prefix}-jobs"
  location_id = coalesce(var.firestore_location, var.region)
  type        = "FIRESTORE_NATIVE"

  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  delete_protection_state           = var.deletion_protection ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"

  # The provider's default would only forget the database on destroy. With DELETE, destroying a protected one fails.
  deletion_policy = "DELETE"

  depends_on = [google_project_service.services]
}

resource "google_firestore_backup_schedule" "daily" {
  database  = google_firestore_database.jobs.name
  retention = "${var.backup_retention_days * 86400}s"

  daily_recurrence {}
}

resource "google_firestore_index" "jobs" {
  for_each = local.composite_indexes

  database    = google_firestore_database.jobs.name
  collection  = "jobs"
  query_scope = "COLLECTION"

  dynamic "fields" {
    for_each = each.value

    content {
      field_path = fields.value[0]
      order      = fields.value[1]
    }
  }
}

resource "google_firestore_field" "expiring" {
  for_each = local.expiring_collections

  database   = google_firestore_database.jobs.name
  collection = each.key
  field      = "expires_at"

  ttl_config {}
  index_config {} # no index: constantly rising times make a hot spot
}

resource "google_firestore_field" "unindexed" {
  for_each = merge([for collection, fields in local.unindexed_fields : {
    for field in fields : "${collection}/${field}" => { collection = collection, field = field }
  }]...)

  database   = google_firestore_database.jobs.name
  collection = each.value.collection
  field      = each.value.field

  index_config {}
}
