"""Test cameras: an RTSP server, the film it shows, and cameras that misbehave."""
