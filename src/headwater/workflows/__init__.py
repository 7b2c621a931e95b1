"""What runs do. A workflow sees its input, the clock and models; never HTTP, never the log."""
