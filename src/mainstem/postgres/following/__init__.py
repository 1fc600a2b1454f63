"""Following a topic: its events live and in commit order, from a slot that ends with the session.

`faces.py` is what a store hands out; `batches.py` is what both faces run, in the order of a
following's life. `reading.py` decides, and is pure.
"""
