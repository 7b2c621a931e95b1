"""The write half: runs are queued, run, recorded and ended here. Knows nothing of readers' connections."""
