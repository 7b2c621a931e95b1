"""What the Makefile calls; none of it is in the package."""
