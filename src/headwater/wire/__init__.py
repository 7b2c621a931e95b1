"""Bytes of the wire and what they frame: pure, bounded, without I/O."""
