"""What runs in AWS Lambda. The folder is the root of the functions' code; only boto3 and Python are there."""
