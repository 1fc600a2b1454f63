"""Reading back: the events of a topic by pages, decoded, folded, or as Arrow columns.

In the order of the data: `selection.py` says what is wanted, `statements.py` asks for a page of
it, `pages.py` plans that, `decoding.py` makes events of rows, `course.py` goes from page to page
and merges topics, `folding.py` makes a state of events, `faces.py` is what stores hand out.
`arrow.py` is the way of its own that ends in columns.
"""
