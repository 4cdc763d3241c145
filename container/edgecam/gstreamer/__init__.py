"""The only door to GStreamer, and its errors in plain words."""
