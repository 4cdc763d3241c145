"""A small Greengrass core: takes deployments, runs components, serves IPC and credentials."""
