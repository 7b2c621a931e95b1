"""Cuts on the wire between each client and a real server: see `test_cuts.py`."""
