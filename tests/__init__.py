"""Mirrors src/headwater: what `wire/sse.py` promises is held by `wire/test_sse.py`."""
