"""Kinds of transaction that handlers may ask for: a file each, loaded only when it is asked for."""
