"""What people look at: the headline table and the morning report."""
