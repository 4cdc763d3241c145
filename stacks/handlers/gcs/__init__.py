"""Custom resource: the bucket of the recordings at Google, and who may write to it."""
