"""`edgecam-fleet`: what a fleet file says, and what deploying it would change at which site."""
