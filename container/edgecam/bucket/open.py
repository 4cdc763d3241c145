"""Which bucket a URI names: the one place that knows all schemes. Each is imported when it is used."""

from __future__ import annotations

from edgecam.bucket.interface import Bucket
from edgecam.clock import Clock
from edgecam.config.storage import Google, Upload


def open_bucket(uri: str, google: Google, upload: Upload, *, clock: Clock) -> Bucket:
    """The bucket at `uri` (as `config.storage.BucketUri` allows it). Connects to nothing yet.

    Args:
        uri: `gs://BUCKET/PREFIX`, `s3://BUCKET/PREFIX` or `file:///FOLDER`.
        google: The node's login at Google; for `gs://` alone.
        upload: Size of parts, and how long an upload may stall.
        clock: Time, for tokens.

    Raises:
        ValueError: another scheme.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "file":
        from edgecam.bucket.local_folder import FileBucket

        return FileBucket(uri)
    if scheme == "gs":
        from edgecam.bucket.gcs import open_gcs

        return open_gcs(uri, rest, google, upload, clock)
    if scheme == "s3":
        from edgecam.bucket.s3 import open_s3

        return open_s3(uri, rest, upload, clock)
    raise ValueError(f"bucket: expected gs://, s3:// or file://, found {scheme}://")
