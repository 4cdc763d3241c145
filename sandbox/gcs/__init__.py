"""The embedded Google Cloud Storage: an emulator, and a layer in front of it that keeps GCS' promises and
breaks them on purpose."""
