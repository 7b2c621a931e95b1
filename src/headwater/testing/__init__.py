"""Conformance kits for whoever writes an engine, a dialect or a workflow.

`headwater.testing.storage.StorageContract` is a class of pytest tests: inherit from it and give it your engine.
`check_dialect` holds a dialect to its laws on the bytes of one stream, and `check_workflow` a workflow to its own on
one request and what models answer to it; they need no pytest.
"""

from headwater.testing.dialect import Decoded, Ends, check_dialect
from headwater.testing.workflow import Played, check_workflow

__all__ = ["Decoded", "Ends", "Played", "check_dialect", "check_workflow"]
