"""What moves satisfaction, how surely, and what to do about it."""
