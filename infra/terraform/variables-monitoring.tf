# The recipients and the limits of the alerts.

variable "alert_emails" {
  description = "E-mail addresses that receive every alert."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alert_emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "Each of alert_emails must be an e-mail address."
  }
}

variable "alert_limits" {
  description = "The limits above which an alert is raised: minutes that the oldest queued job waits, share of failed jobs in an hour, callbacks due in one tick, refused signatures in 10 minutes, dollars for GPUs in a UTC day (needs scaling.daily_budget_usd: prices are only read with it)."
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
  description = "Existing notification channels (projects/P/notificationChannels/N) that receive every alert, such as a pager's."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for one in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[^/]+$", one))])
    error_message = "Each of notification_channels must be projects/PROJECT/notificationChannels/NUMBER."
  }
}

variable "runbook_url" {
  description = "The address of docs/runbook.md, for the links in alerts; null: alerts name the file in the repository."
  type        = string
  default     = null

  validation {
    condition     = var.runbook_url == null || can(regex("^https://[^ #]+$", var.runbook_url))
    error_message = "runbook_url must be an https address without a #."
  }
}
