"""The receiver of our own, RTSP over TCP and TLS as a source, and when GStreamer's takes its place."""
