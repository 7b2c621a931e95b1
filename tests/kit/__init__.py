"""What tests of several parts share: scripted peers and virtual time."""
