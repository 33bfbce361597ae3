# Who may call each function; the grant is on the Cloud Run service beneath, where the check is made.

locals {
  invokers = merge([for key, one in local.deployed : {
    for member in one.invokers : "${key}/${member}" => { function = key, member = member }
  }]...)

  # Read from what was made, so that a function that is made anew, which loses its grants, gets them again.
  service_names = merge(
    { for key, one in google_cloudfunctions2_function.functions : key => basename(one.service_config[0].service) },
    { for key, one in google_cloud_run_v2_service.webhook : key => one.name },
  )
}

resource "google_cloud_run_v2_service_iam_member" "invokers" {
  for_each = local.invokers

  location = var.region
  name     = local.service_names[each.value.function]
  role     = "roles/run.invoker"
  member   = each.value.member

  depends_on = [google_org_policy_policy.webhook_exception, google_service_account.scheduler]
}
