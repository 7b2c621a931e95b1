"""Conformance kits for whoever writes an engine or a dialect.

`headwater.testing.storage.StorageContract` is a class of pytest tests: inherit from it and give it your engine.
`check_dialect` holds a dialect to its laws on the bytes of one stream; it needs no pytest.
"""

from headwater.testing.dialect import Decoded, Ends, check_dialect

__all__ = ["Decoded", "Ends", "check_dialect"]
