"""What runs and is read inside a build stage of the Dockerfile."""
