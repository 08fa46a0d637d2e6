"""What happened: recorded once, of which kind, by which channel, in one order, and taken back where it did not."""
