"""What ministack lacks and a fleet needs: Greengrass v2, IoT role aliases, two traits of ECR, real builds.

Runs inside ministack's process and environment: `python -m sandbox.aws.plugin`. Of the project it
imports this room and `sandbox.aws.ministack` alone.
"""
