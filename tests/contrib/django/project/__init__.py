"""A Django project; its `suite_*.py` run under Django's test runner, not under pytest."""
