"""Finished chunks on the core until the bucket has confirmed them."""
