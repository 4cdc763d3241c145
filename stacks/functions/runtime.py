"""What Lambda functions run on. Nothing else is here, so that packing one needs no CDK."""

PYTHON_VERSION = "3.14"
"""The newest Python that Lambda runs; boto3 comes with it."""

PROTOBUF_4_PYTHON = "3.13"
"""The newest one on which protobuf 4 loads, which Google's library for Cloud IoT needs."""

RUNTIME = f"python{PYTHON_VERSION}"
"""The newest one, as Lambda calls it."""
