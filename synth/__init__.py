"""Made-up submissions: deterministic, realistic in shape and size, and of no real person or company."""
