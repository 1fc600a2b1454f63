"""The job of examples/flink on a real Flink, in one process and on a cluster."""

from pathlib import Path

FLINK = Path(__file__).parents[3] / "examples" / "flink"
