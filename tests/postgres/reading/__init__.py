"""Reading back: pages, filters, merging, folding, and Arrow."""
