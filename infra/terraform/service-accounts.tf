# One account for each function, one for the scheduler, one for builds, one that pulls the worker's image.

resource "google_service_account" "functions" {
  for_each = local.names

  account_id   = each.value
  display_name = "Function ${each.key}"
}

resource "google_service_account" "scheduler" {
  account_id   = local.scheduler_account
  display_name = "Calls scale_tick"
}

resource "google_service_account" "build" {
  account_id   = "${var.prefix}-build"
  display_name = "Builds the functions"
}

# Salad pulls with a key of this account. It is made by hand (docs/deploy.md), so that no key is in the state.
resource "google_service_account" "image_reader" {
  account_id   = "${var.prefix}-image-reader"
  display_name = "Pulls the worker's image"
}
