"""Where logs and runs are kept. `contract` says what every engine promises; the others keep it."""
