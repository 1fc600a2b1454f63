"""Torture of an event store: writers with expected versions, kills, and a verdict by ledger.

`python -m mainstem.testing.torture` tries ours; `stores.py` says what another store must bring.
"""
