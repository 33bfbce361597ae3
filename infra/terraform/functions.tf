# The four functions; local.functions has what differs between them.

resource "google_cloudfunctions2_function" "functions" {
  #checkov:skip=CKV_GCP_124:Salad and the apps call from outside; only scale_tick is internal, and a policy test checks that
  for_each = { for key, one in local.deployed : key => one if key != "salad_webhook" || !local.webhook_is_run_service }

  name        = each.value.name
  location    = var.region
  description = each.value.description

  build_config {
    runtime           = var.runtime
    entry_point       = each.key
    service_account   = google_service_account.build.id
    docker_repository = google_artifact_registry_repository.functions.id

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.packages[each.key].name
      }
    }

    automatic_update_policy {}
  }

  service_config {
    available_cpu                    = local.cpu
    available_memory                 = local.memory
    timeout_seconds                  = each.value.timeout_sec
    min_instance_count               = each.value.min_instances
    max_instance_count               = each.value.max_instances
    max_instance_request_concurrency = each.value.concurrency
    ingress_settings                 = each.value.ingress
    service_account_email            = google_service_account.functions[each.key].email
    all_traffic_on_latest_revision   = true

    environment_variables = merge(each.value.settings, {
      THREADS          = tostring(each.value.concurrency) # the server's own default is four
      LOG_EXECUTION_ID = "true"                           # the cloud sets it; without this line, every plan would show a difference
    })

    dynamic "secret_environment_variables" {
      for_each = each.value.secrets

      content {
        key        = secret_environment_variables.key
        project_id = var.project_number # the API answers with the number; with the id, every plan would show a difference
        secret     = google_secret_manager_secret.secrets[secret_environment_variables.value].secret_id
        version    = tostring(var.secret_versions[secret_environment_variables.value])
      }
    }
  }

  lifecycle {
    precondition {
      condition     = var.scaling.max_replicas >= local.always_on + local.least_scaled
      error_message = "scaling.max_replicas is ${var.scaling.max_replicas}, less than the ${local.always_on + local.least_scaled} replicas that the fleet file always keeps (fixed replicas and the groups' min)."
    }
    precondition {
      condition     = length(local.fixed_groups) <= 1
      error_message = "The fleet file has ${length(local.fixed_groups)} groups with scaling.mode fixed; at most one group may be fixed, because the tick has one setting for always-on replicas."
    }
  }

  # Without these grants the first revision could not be built, or could not read its secrets.
  depends_on = [
    google_artifact_registry_repository_iam_member.build_images,
    google_project_iam_member.build_logs,
    google_project_iam_member.build_source,
    google_secret_manager_secret_iam_member.readers,
  ]
}
