"""The Google side: the bucket of the recordings, made by a Lambda function with Google's own library."""
