"""Tests of the metadata that events carry along."""
