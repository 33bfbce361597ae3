# The bucket of the finished videos at Backblaze B2: optional, and a root of its own, so that its key is in no other state.

terraform {
  required_version = ">= 1.11"

  required_providers {
    b2 = {
      source  = "Backblaze/b2"
      version = "~> 0.13"
    }
  }
}

# Reads B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY of its environment: a key with writeBuckets, for this apply alone.
provider "b2" {}

resource "b2_bucket" "videos" {
  bucket_name = var.bucket
  bucket_type = var.is_public ? "allPublic" : "allPrivate"

  default_server_side_encryption {
    mode      = "SSE-B2"
    algorithm = "AES256"
  }

  # Removing a file hides its versions; what is hidden, and uploads that never ended, cost until they are gone.
  lifecycle_rules {
    file_name_prefix                                       = ""
    days_from_hiding_to_deleting                           = 1
    days_from_starting_to_canceling_unfinished_large_files = 1
  }
}

# No b2_application_key: its value would stand in the state in clear. Keys are made by hand (docs/deploy.md).
