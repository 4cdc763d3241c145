"""fleet.yaml becomes frozen, validated settings; without AWS CDK."""
