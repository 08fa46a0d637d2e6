"""What moves subjects by itself: rules, the working calendar, guards, replay, and who is stuck."""
