"""What `headwater doctor` looks at. Each module looks at one thing and says what it found, in a person's words."""
