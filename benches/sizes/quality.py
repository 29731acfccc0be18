#!/usr/bin/env python3
"""What storing the frozen matrices in fewer bits costs on the mini model: logits,
untuned and tuned accuracy on gsm8k-mini, and states tuned in one storage and measured
in another.

    python3 benches/sizes/quality.py --gosling target/release/gosling --device gpu > quality.jsonl

Nothing but Python and the program is needed. One JSON object a line; the last ones
are the table, means over the seeds.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

PRECISIONS = ["F32", "BF16", "F16", "Int8", "NF4"]


def say(**line):
    """One result."""
    print(json.dumps(line), flush=True)


def call(options, *arguments):
    """Runs the program; gives what it prints."""
    done = subprocess.run([options.gosling, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def logits(options, folder):
    """The table of `bench storage`."""
    out = os.path.join(folder, "storage.json")
    call(options, "bench", "storage", "--device", options.device, "--json", out)
    with open(out, encoding="utf-8") as text:
        for row in json.load(text)["tables"][0]["rows"]:
            say(what="logits", **row)


def accuracy(options, folder, precision, state):
    """The share of the items that are answered rightly, in percent."""
    out = os.path.join(folder, f"{precision}-{abs(hash(state))}.jsonl")
    arguments = ["eval", "gsm8k", "--device", options.device, "--precision", precision.lower(), "--out", out]
    if options.limit:
        arguments += ["--limit", str(options.limit)]
    if state:
        arguments += ["--state", state]
    call(options, *arguments)
    with open(out, encoding="utf-8") as lines:
        items = [json.loads(line) for line in lines][1:]
    return 100 * sum(bool(item["correct"]) for item in items) / len(items)


def tune(options, folder, precision, seed):
    """Tunes a state; gives its file."""
    runs = os.path.join(folder, f"{precision}-{seed}")
    arguments = ["tune", "--preset", "standard", "--device", options.device, "--quiet", "--runs", runs]
    for assignment in [
        f"model.precision={precision}",
        f"training.seed={seed}",
        "evaluation.before=false",
        "evaluation.few_shot=0",
        "evaluation.after=false",
    ]:
        arguments += ["--set", assignment]
    if options.steps:
        arguments += ["--steps", str(options.steps)]
    call(options, *arguments)
    (run,) = os.listdir(runs)
    found = [
        os.path.join(place, name)
        for place, _, names in os.walk(os.path.join(runs, run))
        for name in names
        if re.fullmatch(r"state\.(pth|safetensors)", name)
    ]
    return sorted(found)[-1]


def spread(values):
    """Mean and standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.mean(values), 2), "sd": round(deviation, 2), "n": len(values)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gosling", default="gosling", help="the program")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="of a run, in the place of the preset's 300")
    parser.add_argument("--limit", type=int, help="score the first so many items only")
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="gosling-quality-")
    try:
        logits(options, folder)
        for precision in PRECISIONS:
            say(what="untuned", precision=precision, accuracy=accuracy(options, folder, precision, None))
        jobs = [(precision, seed) for seed in range(1, options.seeds + 1) for precision in PRECISIONS]
        found = {}

        def one(job):
            precision, seed = job
            state = tune(options, folder, precision, seed)
            measured = {precision: accuracy(options, folder, precision, state)}
            # Users run a state on other weights than it was tuned with.
            others = [other for other in PRECISIONS if other != "F32"] if precision == "F32" else ["F32"]
            for other in others:
                measured[other] = accuracy(options, folder, other, state)
            for other, value in measured.items():
                say(what="tuned", tuned_in=precision, measured_in=other, seed=seed, accuracy=value)
            return precision, measured

        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for precision, measured in pool.map(one, jobs):
                for other, value in measured.items():
                    found.setdefault((precision, other), []).append(value)
        for (precision, other), values in found.items():
            say(what="table", tuned_in=precision, measured_in=other, **spread(values))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
