"""What a projection could not apply: events set aside, and partitions that stand still.

An event that is set aside is a *dead letter*: a row with its place, its bytes and the error,
written in the transaction that moves the offset past it. Later events of the same key would
overtake it, so they are set aside *behind* it. A partition that *halts* stays before its event; a
row says so.
Nothing is skipped but what an operator discards, and then the row stays.
"""
