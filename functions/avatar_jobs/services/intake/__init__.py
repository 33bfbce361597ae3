"""What an app asks for: submit a job, cancel a job, within the limits of the queue."""
