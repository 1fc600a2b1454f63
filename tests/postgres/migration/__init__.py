"""Tests of schema objects: migrations, roles, partitions, archives."""
