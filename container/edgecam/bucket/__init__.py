"""Object stores, gs://, s3:// and file://: their interface, clients and credentials."""
