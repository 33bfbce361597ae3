# The packages, callers and answers of the functions.

variable "api_invokers" {
  description = "Who may call submit_job and job_status, as IAM members (apps' service accounts or groups). Each app also needs its API key."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.api_invokers : can(regex("^(serviceAccount|group|user|domain|principal|principalSet):.+", member))])
    error_message = "Each of api_invokers must be an IAM member such as serviceAccount:app@project.iam.gserviceaccount.com; allUsers is not allowed, because only the webhook is public."
  }
}

variable "output_lifetime_days" {
  description = "How many days a job's video can be downloaded after the job finished, 1 to 3650."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.output_lifetime_days >= 1 && var.output_lifetime_days <= 3650 && floor(var.output_lifetime_days) == var.output_lifetime_days
    error_message = "output_lifetime_days must be a whole number from 1 to 3650."
  }
}

variable "output_url_mode" {
  description = "`signed`: every answer has a link that is presigned for an hour; `public`: plain file URLs of a public bucket."
  type        = string
  default     = "signed"
  nullable    = false

  validation {
    condition     = contains(["signed", "public"], var.output_url_mode)
    error_message = "output_url_mode must be signed or public."
  }
}

variable "packages_dir" {
  description = "The folder with the four zips of `make package`, relative to this folder."
  type        = string
  default     = "../../build"
  nullable    = false
}

variable "runtime" {
  description = "The functions' Python version; CI tests this version and 3.11."
  type        = string
  default     = "python313"
  nullable    = false

  # python310 and older get no more patches; python314 installs packages with another tool, which is not tested here.
  validation {
    condition     = can(regex("^python31[1-3]$", var.runtime))
    error_message = "runtime must be python311, python312 or python313."
  }
}

variable "submit_max_instances" {
  description = "The maximum number of instances of submit_job; they share 120 calls a minute to Salad (SUBMIT_MAX_INSTANCES)."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.submit_max_instances >= 1 && var.submit_max_instances <= 100 && floor(var.submit_max_instances) == var.submit_max_instances
    error_message = "submit_max_instances must be a whole number from 1 to 100: with more, an instance has hardly more than one call a minute to Salad."
  }
}

variable "submit_min_instances" {
  description = "The minimum number of instances of submit_job. They cost money also without requests; 1 avoids a cold start for the first request."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.submit_min_instances >= 0 && var.submit_min_instances <= var.submit_max_instances
    error_message = "submit_min_instances must be from 0 to submit_max_instances."
  }
}
