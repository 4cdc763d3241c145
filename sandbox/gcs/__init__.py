"""The embedded Google Cloud Storage: an emulator, and a layer in front of it that adds GCS' semantics and
injects faults."""
