"""Checks that no single setting can make: between sites, devices, cores and waves."""
