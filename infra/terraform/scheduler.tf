# Calls scale_tick every minute, as an account that may do nothing else.

resource "google_cloud_scheduler_job" "tick" {
  for_each = { for key, one in local.deployed : key => one if key == "scale_tick" }

  name             = "${var.prefix}-tick"
  region           = var.region
  description      = "Calls scale_tick, which continues overdue jobs and sets the fleet's size."
  schedule         = "* * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "${local.tick_attempt_deadline_sec}s"

  # No retries: the tick of the next minute does what this one did not.
  retry_config {
    retry_count = 0
  }

  http_target {
    uri         = "${google_cloudfunctions2_function.functions[each.key].service_config[0].uri}/tick"
    http_method = "POST"

    # The audience must be the address without the path; the default is the whole address, which would be refused.
    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = google_cloudfunctions2_function.functions[each.key].service_config[0].uri
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.invokers]
}
