"""What `headwater bench` measures with: a server of its own, readers, and figures."""
