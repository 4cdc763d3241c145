"""For developers: installing, auditing, device keys, tables of settings in the documents."""
