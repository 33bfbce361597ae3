# Who may call each function. The grants are on the Cloud Run services of the functions, which check them.

locals {
  invokers = merge([for key, one in local.deployed : {
    for member in one.invokers : "${key}/${member}" => { function = key, member = member }
  }]...)

  # Read from the resources: a function that is created again loses its grants, and this way it gets them again.
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
