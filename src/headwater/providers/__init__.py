"""How models are called: dialects know a provider's forms, `http` does the only I/O, `catalog` knows the names."""
