"""Reads event files with the tensorboard package: JSON of every scalar of every run, as
{run: {tag: [[step, value], ..]}}."""

import json
import sys

from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

runs = EventMultiplexer().AddRunsFromDirectory(sys.argv[1])
runs.Reload()
print(json.dumps({
    run: {tag: [[of.step, of.value] for of in runs.Scalars(run, tag)] for tag in tags["scalars"]}
    for run, tags in runs.Runs().items()
}))
