"""`python -m mainstem`: the same as the command `mainstem`."""

from mainstem.cli.main import run

if __name__ == "__main__":
    run()
