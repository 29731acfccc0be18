#!/usr/bin/env python3
"""What the token in front of a text does: states trained behind token 0, without it and on both forms,
each scored behind token 0 and without it.

    python3 benches/methods/leading_token.py --gosling target/release/gosling --device gpu --out leading
    python3 benches/methods/leading_token.py --devices gpu:0 gpu:1 --jobs 3 --budget 540 --out leading

The same command goes on where it was ended: what is measured stands in `leading/journal.jsonl`. The last lines
are the table, for RESULTS.md. Needs Python 3.9 and nothing else.
"""

import argparse
import json
import math
import queue
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[up]) for up in (0, 1)]

from journal import Journal  # noqa: E402
from rows import BENCHMARKS  # noqa: E402
from tables import of_shares  # noqa: E402

FORMS = ["Zero", "None", "Both"]
# Rates that the validation split prefers, benches/RESULTS.md.
RATES = {"gsm8k": 0.8, "arc": 0.303, "mmlu": 0.303, "winogrande": 0.303}


def figures(file):
    """Right, of, and for written answers the number that ended by themselves."""
    records = [json.loads(line) for line in file.read_text().splitlines()[1:]]
    right = sum(record["correct"] for record in records)
    ended = [answer.get("ended") for record in records for answer in record["answer"].values()]
    ended = [bool(one) for one in ended if one is not None]
    return {"right": right, "n": len(records), "ended": sum(ended) if ended else None}


class Study:
    def __init__(self, options):
        self.options, self.out = options, Path(options.out)
        self.journal = Journal([self.out / "journal.jsonl"], self.key)
        self.started, self.slowest, self.failed = time.monotonic(), 45.0, []

    @staticmethod
    def key(entry):
        return (entry["benchmark"], entry["trained"], entry["seed"])

    def wanted(self):
        options = self.options
        runs = [(b, form, s) for s in range(options.seeds) for b in options.benchmarks for form in FORMS]
        return [run for run in runs if run not in self.journal.entries]

    def gosling(self, *arguments):
        command = [self.options.gosling, *arguments]
        made = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if made.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {made.stderr.strip()[-400:]}")

    def run(self, device, benchmark, form, seed):
        options, began = self.options, time.monotonic()
        name = f"{benchmark}-{form}-{seed}".lower()
        runs = self.out / "runs" / name
        shutil.rmtree(runs, ignore_errors=True)
        rate = options.rate or RATES[benchmark]
        fields = {
            "data.source": f"Mini({benchmark})",
            "data.leading_token": form,
            "training.learning_rate": rate,
            "training.batch": options.batch,
            "training.steps": options.steps,
            "training.seed": seed,
            "evaluation.before": "false",
            "evaluation.few_shot": 0,
            "evaluation.after": "false",
            "intervals.checkpoint": 0,
            "intervals.snapshot": 0,
        }
        if benchmark == "winogrande":
            fields["training.select_by"] = "ValidationAccuracy"
        sets = [word for path, value in fields.items() for word in ("--set", f"{path}={value}")]
        self.gosling("tune", "--preset", "standard", "--device", device, "--runs", str(runs), "--quiet", *sets)
        (folder,) = [path for path in runs.iterdir() if (path / "spec.ron").is_file()]
        entry = {"benchmark": benchmark, "trained": form, "seed": seed, "rate": rate}
        for scored in ("zero", "none"):
            file = runs / f"{scored}.jsonl"
            self.gosling(
                "eval", benchmark, "--device", device, "--state", str(folder), "--leading-token", scored, "-o", str(file)
            )
            entry[scored] = figures(file)
        entry["secs"] = round(time.monotonic() - began, 1)
        shutil.rmtree(runs, ignore_errors=True)
        self.journal.write(entry)
        self.slowest = max(self.slowest, entry["secs"])
        print(json.dumps(entry), flush=True)

    def work(self, device, todo):
        while True:
            try:
                run = todo.get_nowait()
            except queue.Empty:
                return
            left = self.started + (self.options.budget or math.inf) - time.monotonic()
            if left < 1.2 * self.slowest:
                return
            try:
                self.run(device, *run)
            except (RuntimeError, OSError, ValueError) as error:
                self.failed.append(str(error))
                print(f"failed: {error}", flush=True)

    def go(self):
        todo = queue.Queue()
        for run in self.wanted():
            todo.put(run)
        devices = self.options.devices or [self.options.device]
        workers = [
            threading.Thread(target=self.work, args=(device, todo))
            for _ in range(self.options.jobs)
            for device in devices
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def cell(self, benchmark, form, scored):
        entries = [e for e in self.journal.entries.values() if e["benchmark"] == benchmark and e["trained"] == form]
        shares = [entry[scored]["right"] / entry[scored]["n"] for entry in entries]
        if not shares:
            return ""
        n, text = len(shares), of_shares(shares)
        ended = [e[scored]["ended"] / e[scored]["n"] for e in entries if e[scored]["ended"] is not None]
        if ended:
            text += f" ({100 * (1 - sum(ended) / len(ended)):.1f}% cut)"
        return text + ("" if n == self.options.seeds else f" ({n} seed{'s' if n > 1 else ''})")

    def table(self):
        columns = [b + "-mini" for b in self.options.benchmarks]
        lines = [f"| trained | scored | {' | '.join(columns)} |", "|---" * (2 + len(columns)) + "|"]
        words = {"Zero": "behind token 0", "None": "without", "Both": "on both", "zero": "behind token 0", "none": "without"}
        for form in FORMS:
            for scored in ("zero", "none"):
                cells = [self.cell(b, form, scored) for b in self.options.benchmarks]
                lines.append(f"| {words[form]} | {words[scored]} | {' | '.join(cells)} |")
        return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--gosling", default="target/release/gosling")
    parser.add_argument("--out", default="leading", help="the folder of the journal")
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu or gpu:N")
    parser.add_argument("--devices", nargs="+", help="several: gpu:0 gpu:1")
    parser.add_argument("--jobs", type=int, default=1, help="processes on each device")
    parser.add_argument("--budget", type=float, help="seconds; no run begins that would not end within them")
    parser.add_argument("--benchmarks", nargs="+", default=BENCHMARKS, choices=BENCHMARKS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, help="one rate for all; by default those that validation prefers")
    study = Study(parser.parse_args())
    study.go()
    print(study.table())
    for message in sorted(set(study.failed)):
        print(f"failed: {message}")


if __name__ == "__main__":
    main()
