"""Makes wandb.json: the records of a short run, as wandb's own protobuf classes write them.

    python -m venv venv && venv/bin/pip install wandb==0.31.0
    venv/bin/python tests/golden/wandb_log.py
"""

import json
import math
import pathlib

from wandb.proto import wandb_internal_pb2 as pb


def number(value):
    return json.dumps(value)


def row(step, **values):
    record = pb.Record()
    for name, value in values.items():
        item = record.history.item.add()
        item.nested_key.append(name.replace("__", "/"))
        item.value_json = number(value)
    item = record.history.item.add()
    item.nested_key.append("_step")
    item.value_json = str(step)
    record.history.step.num = step
    return record


header = pb.Record()
header.header.version_info.producer = "gosling 9.8.7"

run = pb.Record()
run.run.run_id = "0a1b2c3d"
run.run.project = "gosling"
run.run.display_name = "state-0001"
run.run.start_time.seconds = 1796068994
run.run.start_time.nanos = 250000000
for key, value in [("name", "state"), ("training", {"steps": 3, "rate": 0.01})]:
    item = run.run.config.update.add()
    item.key = key
    item.value_json = json.dumps(value, separators=(",", ":"))

summary = pb.Record()
for name, value in [("train/loss", 0.5), ("_step", 300.0)]:
    item = summary.summary.update.add()
    item.nested_key.append(name)
    item.value_json = number(value)

failed = pb.Record()
failed.exit.exit_code = 1

records = [
    header,
    run,
    row(0, accuracy__untuned=0.125),
    row(1, train__loss=1.5, train__norm=math.nan, lift__largest=math.inf),
    row(300, train__loss=0.5, lift__largest=-math.inf),
    summary,
    failed,
]
for number_, record in enumerate(records, 1):
    record.num = number_
texts = [record.SerializeToString(deterministic=True).hex() for record in records]
path = pathlib.Path(__file__).with_name("wandb.json")
path.write_text(json.dumps({"records": texts}, indent=1) + "\n")
