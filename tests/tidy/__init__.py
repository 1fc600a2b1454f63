"""The house rules that no off-the-shelf tool checks, as tests."""
