"""Tests of events that cannot be applied: set aside, halted at, tried again and given up."""
