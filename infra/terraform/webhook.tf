# Makes salad_webhook public: who may invoke it, and the resources of two ways around an organisation policy.

locals {
  webhook_is_run_service = var.webhook_public_mode == "run_service"

  # The function itself checks every caller: Salad's signature, or the token of one attempt.
  webhook_invokers = (
    contains(["all_users", "org_policy_exception"], var.webhook_public_mode) ? ["allUsers"]
    : var.webhook_invokers # none for run_service, which has no invoker check
  )
}

# Lets this project grant rights to members outside the organisation, including allUsers.
resource "google_org_policy_policy" "webhook_exception" {
  count = var.webhook_public_mode == "org_policy_exception" ? 1 : 0

  name   = "projects/${var.project_id}/policies/iam.allowedPolicyMemberDomains"
  parent = "projects/${var.project_id}"

  spec {
    inherit_from_parent = false

    rules {
      allow_all = "TRUE"
    }
  }

  depends_on = [google_project_service.services]
}

# The same zip and settings as a Cloud Run service. Only there can the invoker check be switched off, and then no grant
# to allUsers is needed.
resource "google_cloud_run_v2_service" "webhook" {
  for_each = { for key, one in local.deployed : key => one if key == "salad_webhook" && local.webhook_is_run_service }

  name                 = each.value.name
  location             = var.region
  description          = each.value.description
  ingress              = var.domain == null ? "INGRESS_TRAFFIC_ALL" : "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
  invoker_iam_disabled = true
  deletion_protection  = var.deletion_protection

  build_config {
    source_location          = "gs://${google_storage_bucket.source.name}/${google_storage_bucket_object.packages[each.key].name}"
    function_target          = each.key
    base_image               = local.run_base_image
    image_uri                = local.run_image
    enable_automatic_updates = true
    service_account          = google_service_account.build.id
  }

  template {
    service_account                  = google_service_account.functions[each.key].email
    timeout                          = "${each.value.timeout_sec}s"
    max_instance_request_concurrency = each.value.concurrency

    scaling {
      min_instance_count = each.value.min_instances
      max_instance_count = each.value.max_instances
    }

    containers {
      image          = local.run_image
      base_image_uri = local.run_base_image

      resources {
        limits            = { cpu = local.cpu, memory = local.memory }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = merge(each.value.settings, { THREADS = tostring(each.value.concurrency), LOG_EXECUTION_ID = "true" })

        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = each.value.secrets

        content {
          name = env.key

          value_source {
            secret_key_ref {
              secret  = google_secret_manager_secret.secrets[env.value].secret_id
              version = tostring(var.secret_versions[env.value])
            }
          }
        }
      }
    }
  }

  depends_on = [
    google_artifact_registry_repository_iam_member.build_images,
    google_project_iam_member.build_logs,
    google_project_iam_member.build_source,
    google_secret_manager_secret_iam_member.readers,
  ]
}

locals {
  run_base_image = "${var.region}-docker.pkg.dev/serverless-runtimes/google-22-full/runtimes/${var.runtime}"
  run_image      = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.functions.repository_id}/${local.names.salad_webhook}"
}
