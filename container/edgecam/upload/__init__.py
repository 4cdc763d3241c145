"""Chunks go from the spool to the bucket: uploader, scheduler, retry, rate limit, publisher."""
