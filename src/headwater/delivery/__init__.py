"""The read half: whoever reads a run's log, over whatever connection. Knows nothing of how runs are made."""
