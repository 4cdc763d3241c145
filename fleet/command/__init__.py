"""`edgecam-fleet`: check and list a fleet file, and compare what deploying it would change at which site."""
