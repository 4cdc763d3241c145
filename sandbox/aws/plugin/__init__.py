"""What ministack lacks and a fleet needs: Greengrass v2, IoT role aliases, two habits of ECR, real builds.

Runs inside ministack's process and environment: `python -m sandbox.aws.plugin`. Nothing of the project
outside this package is imported here.
"""
