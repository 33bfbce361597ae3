# Variables of the whole deployment: project, places, protection. The files variables-*.tf have those of each part.

variable "backup_retention_days" {
  description = "How many days a daily backup of the database is kept, 1 to 98 (Firestore's limit)."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 98 && floor(var.backup_retention_days) == var.backup_retention_days
    error_message = "backup_retention_days must be a whole number from 1 to 98."
  }
}

variable "budget" {
  description = "A monthly budget of the Google project, without Salad and B2, that warns at 50, 90 and 100 %. It needs rights on the billing account."
  type = object({
    billing_account = string
    monthly_usd     = number
  })
  default = null

  validation {
    condition     = var.budget == null || (can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account)) && try(var.budget.monthly_usd, 0) >= 1)
    error_message = "budget needs billing_account in the form 012345-6789AB-CDEF01, and monthly_usd of at least 1."
  }
}

variable "deletion_protection" {
  description = "Whether database, secrets and bucket are protected from being destroyed; set it to false and apply before `terraform destroy`."
  type        = bool
  default     = true
  nullable    = false
}

variable "domain" {
  description = "Host name of one base URL for three functions (an HTTPS load balancer); null: each function only has its own URL."
  type        = string
  default     = null

  validation {
    condition     = var.domain == null || can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain))
    error_message = "domain must be a host name in small letters such as avatar.example.com, without https:// and without a path."
  }
}

variable "firestore_location" {
  description = "The location of the database: a region or a multi-region (eur3, nam5). It can never be changed. Null: the region of the functions."
  type        = string
  default     = null

  validation {
    condition     = var.firestore_location == null || can(regex("^(eur3|nam5|nam7|[a-z]+-[a-z]+[0-9]+)$", var.firestore_location))
    error_message = "firestore_location must be a region such as europe-west1, or one of eur3, nam5, nam7."
  }
}

variable "fleet_file" {
  description = "The file of the queue and container groups at Salad, which `./ops fleet` applies; relative to this folder."
  type        = string
  default     = "../salad/fleet.yaml"
  nullable    = false
}

variable "labels" {
  description = "Labels on every resource that can have labels, in addition to `app`."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "Keys and values of labels must be of a-z, 0-9, '_' and '-', at most 63 characters, keys beginning with a letter."
  }
}

variable "prefix" {
  description = "First part of every resource's name; two deployments in one project need different ones."
  type        = string
  default     = "avatar"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.prefix)) && !endswith(var.prefix, "-")
    error_message = "prefix must be 2 to 12 characters of a-z, 0-9 and '-', beginning with a letter and not ending with '-': service accounts allow 30 in all."
  }
}

variable "project_id" {
  description = "The id of the Google Cloud project; it must exist and have a billing account."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be the project's id (6 to 30 characters of a-z, 0-9 and '-'), not its name and not its number."
  }
}

# A variable, not a data source: the data source calls two APIs that an empty project has not enabled.
variable "project_number" {
  description = "The project's number (`gcloud projects describe PROJECT --format='value(projectNumber)'`); the functions' URLs and the full names of secrets contain it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{6,20}$", var.project_number))
    error_message = "project_number must be the project's number, digits only; the id belongs in project_id."
  }
}

variable "region" {
  description = "The region of the functions and the scheduler's job."
  type        = string
  nullable    = false

  # A list of Cloud Run's regions of 2026. Without it, a misspelt region would only be found in the middle of an apply.
  validation {
    condition = contains([
      "africa-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3",
      "asia-south1", "asia-south2", "asia-southeast1", "asia-southeast2", "australia-southeast1",
      "australia-southeast2", "europe-central2", "europe-north1", "europe-north2", "europe-southwest1",
      "europe-west1", "europe-west10", "europe-west12", "europe-west2", "europe-west3", "europe-west4",
      "europe-west6", "europe-west8", "europe-west9", "me-central1", "me-central2", "me-west1",
      "northamerica-northeast1", "northamerica-northeast2", "northamerica-south1", "southamerica-east1",
      "southamerica-west1", "us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1", "us-west2",
      "us-west3", "us-west4",
    ], var.region)
    error_message = "region must be a region of Cloud Run such as europe-west1; a zone (europe-west1-b) or a multi-region (eu) is not one."
  }
}
