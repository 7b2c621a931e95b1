"""Headwater: language-model runs that outlive their connection.

Importing this package does nothing but name its version; the way in is `headwater.client` for a program that talks
to a server, and `headwater.cli` for a person.
"""

__version__ = "0.1.0"
