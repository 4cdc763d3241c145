"""What happens to chunks after they were recorded: the spool on the core, the way to the bucket.

Only the variant `gcs-uploader` has this folder in its image; nothing outside of it imports it but `run.py`,
where a bucket is configured.
"""
