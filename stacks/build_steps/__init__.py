"""What runs in AWS CodeBuild: programs on their own, whose text stands in the build specification."""
