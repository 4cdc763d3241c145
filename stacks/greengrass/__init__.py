"""AWS IoT Greengrass: component, deployment, the role and provisioning of cores, logs, thing groups."""
