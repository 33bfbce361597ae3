# Whom alerts tell, and from when on.

variable "alert_emails" {
  description = "Addresses that every alert is sent to."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alert_emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "Each of alert_emails must be an e-mail address."
  }
}

variable "alert_limits" {
  description = "From when on an alert is raised: minutes of the oldest queued job, part of failed jobs in an hour, callbacks due in one tick, refused signatures in 10 minutes, dollars of GPUs a UTC day (with scaling.daily_budget_usd alone, since prices are read only then)."
  type = object({
    oldest_job_minutes = optional(number, 30)
    failure_ratio      = optional(number, 0.2)
    callbacks_due      = optional(number, 50)
    refused_signatures = optional(number, 20)
    daily_spend_usd    = optional(number, 50)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for limit in values(var.alert_limits) : limit > 0]) && var.alert_limits.failure_ratio < 1
    error_message = "Each of alert_limits must be more than 0, and failure_ratio less than 1."
  }
}

variable "notification_channels" {
  description = "Existing notification channels (projects/P/notificationChannels/N) that every alert is sent to, such as a pager's."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for one in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[^/]+$", one))])
    error_message = "Each of notification_channels must be projects/PROJECT/notificationChannels/NUMBER."
  }
}

variable "runbook_url" {
  description = "Where docs/runbook.md can be read, for the links in alerts; null: alerts name the file in the repository."
  type        = string
  default     = null

  validation {
    condition     = var.runbook_url == null || can(regex("^https://[^ #]+$", var.runbook_url))
    error_message = "runbook_url must be an https address without a #."
  }
}
