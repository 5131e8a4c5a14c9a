"""What a study asks: its file, the plan of every variant, and what it costs."""
