"""Conformance kits: whoever writes an engine, a dialect or a workflow runs these against it."""
