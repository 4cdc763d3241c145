"""In which order and stack sites are deployed: waves, removal, limits of templates."""
