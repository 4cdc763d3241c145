"""What Lambda functions run on. Nothing else is here, so that whoever packs one needs no CDK."""

PYTHON_VERSION = "3.14"
"""The newest Python that Lambda runs; boto3 comes with it."""

RUNTIME = f"python{PYTHON_VERSION}"
"""The same, as Lambda calls it."""
