"""A real model without a key: llama.cpp's own server in a process of its own, with small weights from a package."""
