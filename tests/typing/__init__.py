"""The public API as its users' type checkers see it; `make types` is what checks these files."""
