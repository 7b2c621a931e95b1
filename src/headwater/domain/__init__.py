"""What Headwater talks about: messages, runs, events, snapshots. No I/O, no clock."""
