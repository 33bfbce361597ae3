# What the other root asks for.

output "bucket" {
  description = "The bucket's name."
  value       = b2_bucket.videos.bucket_name
}
