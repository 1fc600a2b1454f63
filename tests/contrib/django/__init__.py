"""The Django app, in a project of its own that runs in processes of its own.

Django is configured once in a process, and its test runner makes a database: so `project` is what
Django runs, and the modules beside it run Django.
"""
