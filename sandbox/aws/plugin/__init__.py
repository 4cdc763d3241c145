"""What ministack lacks and a Greengrass fleet needs: Greengrass v2, IoT role aliases, two habits of ECR.

Runs inside ministack's process and environment: `python -m sandbox.aws.plugin`. Nothing of the project
outside this package is imported here.
"""
