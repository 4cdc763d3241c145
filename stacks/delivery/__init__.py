"""How an image reaches the cores: as a tarball in the artifact bucket, or through a registry."""
