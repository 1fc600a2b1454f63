"""What a save within promises, whatever is lent: one suite over every driver and server."""
