# Every validation of a variable refuses a wrong value: each run has one wrong variable, all others as in the example.

mock_provider "google" {}

variables {
  project_id     = "my-avatar-project"
  project_number = "123456789012"
  region         = "europe-west1"
  api_invokers   = ["serviceAccount:shop@my-shop.iam.gserviceaccount.com"]
  b2 = {
    bucket           = "my-avatar-videos"
    region           = "eu-central-003"
    download_url     = "https://f003.backblazeb2.com"
    read_key_id      = "003000000000000000000001"
    retention_key_id = "003000000000000000000002"
    mint_key_id      = "003000000000000000000003"
  }
  secret_versions = {
    api_clients           = 1
    b2_mint_app_key       = 1
    b2_read_app_key       = 1
    b2_retention_app_key  = 1
    report_token_secrets  = 1
    salad_api_key         = 1
    salad_webhook_secrets = 1
  }
}

run "the_example_is_accepted" {
  command = plan
}

run "a_public_caller_of_the_api" {
  command = plan

  variables {
    api_invokers = ["allUsers"]
  }

  expect_failures = [var.api_invokers]
}

run "a_backup_kept_beyond_firestores_limit" {
  command = plan

  variables {
    backup_retention_days = 99
  }

  expect_failures = [var.backup_retention_days]
}

run "a_part_of_a_day" {
  command = plan

  variables {
    backup_retention_days = 1.5
  }

  expect_failures = [var.backup_retention_days]
}

run "a_billing_account_by_name" {
  command = plan

  variables {
    budget = { billing_account = "my account", monthly_usd = 10 }
  }

  expect_failures = [var.budget]
}

run "a_budget_of_nothing" {
  command = plan

  variables {
    budget = { billing_account = "012345-6789AB-CDEF01", monthly_usd = 0 }
  }

  expect_failures = [var.budget]
}

run "a_domain_with_a_scheme" {
  command = plan

  variables {
    domain = "https://avatar.example.com"
  }

  expect_failures = [var.domain]
}

run "a_continent_for_the_database" {
  command = plan

  variables {
    firestore_location = "europe"
  }

  expect_failures = [var.firestore_location]
}

run "a_label_with_a_capital" {
  command = plan

  variables {
    labels = { Team = "video" }
  }

  expect_failures = [var.labels]
}

run "a_lifetime_of_no_day" {
  command = plan

  variables {
    output_lifetime_days = 0
  }

  expect_failures = [var.output_lifetime_days]
}

run "an_unknown_mode_of_links" {
  command = plan

  variables {
    output_url_mode = "secret"
  }

  expect_failures = [var.output_url_mode]
}

run "a_prefix_too_long_for_accounts" {
  command = plan

  variables {
    prefix = "talking-heads-of-us"
  }

  expect_failures = [var.prefix]
}

run "a_project_by_number" {
  command = plan

  variables {
    project_id = "123456789012"
  }

  expect_failures = [var.project_id]
}

run "a_number_that_is_the_id" {
  command = plan

  variables {
    project_number = "my-avatar-project"
  }

  expect_failures = [var.project_number]
}

run "a_region_that_is_none" {
  command = plan

  variables {
    region = "europe-west99"
  }

  expect_failures = [var.region]
}

run "a_zone_for_a_region" {
  command = plan

  variables {
    region = "europe-west1-b"
  }

  expect_failures = [var.region]
}

run "a_runtime_without_patches" {
  command = plan

  variables {
    runtime = "python310"
  }

  expect_failures = [var.runtime]
}

run "more_instances_than_calls" {
  command = plan

  variables {
    submit_max_instances = 121
  }

  expect_failures = [var.submit_max_instances]
}

run "more_warm_instances_than_instances" {
  command = plan

  variables {
    submit_min_instances = 11
  }

  expect_failures = [var.submit_min_instances]
}

run "everybody_may_add_secrets" {
  command = plan

  variables {
    secret_adders = ["allUsers"]
  }

  expect_failures = [var.secret_adders]
}

run "a_part_of_a_version" {
  command = plan

  variables {
    secret_versions = {
      api_clients           = 1
      b2_mint_app_key       = 1
      b2_read_app_key       = 1
      b2_retention_app_key  = 1
      report_token_secrets  = 1
      salad_api_key         = 1.5
      salad_webhook_secrets = 1
    }
  }

  expect_failures = [var.secret_versions]
}

run "version_zero" {
  command = plan

  variables {
    secret_versions = {
      api_clients           = 1
      b2_mint_app_key       = 1
      b2_read_app_key       = 1
      b2_retention_app_key  = 1
      report_token_secrets  = 1
      salad_api_key         = 0
      salad_webhook_secrets = 1
    }
  }

  expect_failures = [var.secret_versions]
}

run "a_secret_without_a_version" {
  command = plan

  variables {
    secret_versions = {
      api_clients           = 1
      b2_mint_app_key       = 1
      b2_read_app_key       = 1
      b2_retention_app_key  = 1
      report_token_secrets  = 1
      salad_webhook_secrets = 1
    }
  }

  expect_failures = [var.secret_versions]
}

run "no_version_of_the_minting_key" {
  command = plan

  variables {
    secret_versions = {
      api_clients           = 1
      b2_read_app_key       = 1
      b2_retention_app_key  = 1
      report_token_secrets  = 1
      salad_api_key         = 1
      salad_webhook_secrets = 1
    }
  }

  expect_failures = [var.secret_versions]
}

run "a_version_of_an_unknown_secret" {
  command = plan

  variables {
    secret_versions = {
      api_clients           = 1
      b2_mint_app_key       = 1
      b2_read_app_key       = 1
      b2_retention_app_key  = 1
      report_token_secrets  = 1
      salad_api_key         = 1
      salad_webhook_secrets = 1
      salad_key             = 1
    }
  }

  expect_failures = [var.secret_versions]
}

run "a_region_of_another_cloud" {
  command = plan

  variables {
    b2 = {
      bucket           = "my-avatar-videos"
      region           = "eu-central-1"
      download_url     = "https://f003.backblazeb2.com"
      read_key_id      = "003000000000000000000001"
      retention_key_id = "003000000000000000000002"
      mint_key_id      = "003000000000000000000003"
    }
  }

  expect_failures = [var.b2]
}

run "a_file_host_with_a_path" {
  command = plan

  variables {
    b2 = {
      bucket           = "my-avatar-videos"
      region           = "eu-central-003"
      download_url     = "https://f003.backblazeb2.com/file"
      read_key_id      = "003000000000000000000001"
      retention_key_id = "003000000000000000000002"
      mint_key_id      = "003000000000000000000003"
    }
  }

  expect_failures = [var.b2]
}

run "a_bucket_with_a_slash" {
  command = plan

  variables {
    b2 = {
      bucket           = "videos/today"
      region           = "eu-central-003"
      download_url     = "https://f003.backblazeb2.com"
      read_key_id      = "003000000000000000000001"
      retention_key_id = "003000000000000000000002"
      mint_key_id      = "003000000000000000000003"
    }
  }

  expect_failures = [var.b2]
}

run "an_id_that_is_no_id" {
  command = plan

  variables {
    b2 = {
      bucket           = "my-avatar-videos"
      region           = "eu-central-003"
      download_url     = "https://f003.backblazeb2.com"
      read_key_id      = "K003/secret+text="
      retention_key_id = "003000000000000000000002"
      mint_key_id      = "003000000000000000000003"
    }
  }

  expect_failures = [var.b2]
}

run "a_folder_without_its_slash" {
  command = plan

  variables {
    b2 = {
      bucket           = "my-avatar-videos"
      region           = "eu-central-003"
      download_url     = "https://f003.backblazeb2.com"
      read_key_id      = "003000000000000000000001"
      retention_key_id = "003000000000000000000002"
      mint_key_id      = "003000000000000000000003"
      prefix           = "musetalk/outputs"
    }
  }

  expect_failures = [var.b2]
}

run "keys_of_jobs_without_a_minting_key" {
  command = plan

  variables {
    b2 = {
      bucket           = "my-avatar-videos"
      region           = "eu-central-003"
      download_url     = "https://f003.backblazeb2.com"
      read_key_id      = "003000000000000000000001"
      retention_key_id = "003000000000000000000002"
    }
  }

  expect_failures = [var.b2]
}

run "an_unknown_owner_of_upload_keys" {
  command = plan

  variables {
    worker_upload_keys = "per_node"
  }

  expect_failures = [var.worker_upload_keys]
}

run "an_unknown_rule" {
  command = plan

  variables {
    scaling = { rule = "guess" }
  }

  expect_failures = [var.scaling]
}

run "an_unknown_preset" {
  command = plan

  variables {
    scaling = { preset = "fast" }
  }

  expect_failures = [var.scaling]
}

run "too_many_replicas" {
  command = plan

  variables {
    scaling = { max_replicas = 5001 }
  }

  expect_failures = [var.scaling]
}

run "a_budget_below_nothing" {
  command = plan

  variables {
    scaling = { daily_budget_usd = -1 }
  }

  expect_failures = [var.scaling]
}

run "an_unknown_way_to_be_public" {
  command = plan

  variables {
    webhook_public_mode = "open"
  }

  expect_failures = [var.webhook_public_mode]
}

run "a_front_that_is_everybody" {
  command = plan

  variables {
    webhook_public_mode   = "front"
    webhook_public_origin = "https://hooks.example.com"
    webhook_invokers      = ["allUsers"]
  }

  expect_failures = [var.webhook_invokers]
}

run "a_front_that_nobody_may_be" {
  command = plan

  variables {
    webhook_public_mode   = "front"
    webhook_public_origin = "https://hooks.example.com"
  }

  expect_failures = [var.webhook_invokers]
}

run "a_front_without_its_address" {
  command = plan

  variables {
    webhook_public_mode = "front"
    webhook_invokers    = ["serviceAccount:front@my-avatar-project.iam.gserviceaccount.com"]
  }

  expect_failures = [var.webhook_public_origin]
}

run "a_front_address_that_is_no_origin" {
  command = plan

  variables {
    webhook_public_mode   = "front"
    webhook_invokers      = ["serviceAccount:front@my-avatar-project.iam.gserviceaccount.com"]
    webhook_public_origin = "https://hooks.example.com/v1"
  }

  expect_failures = [var.webhook_public_origin]
}
