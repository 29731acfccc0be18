#!/usr/bin/env python3
"""What test-time adaptation does: rates and steps chosen on the validation split, then seeds on the test split.

    python3 benches/adapt/study.py run --gosling target/release/gosling --device gpu --budget 540 --out study
    python3 benches/adapt/study.py run --guide rwkv7-guide-31m-f16.pth --out study
    python3 benches/adapt/study.py write --out study

`run` goes on where the journal in the output folder ends, and the most telling rows come first, so that it can
be stopped at any time; one process of the program does many adaptations, one process a GPU, so that kernels are
compiled once. A row is tried at several rates on the validation split (seed 0); that with the best accuracy is
used on the test split with every seed, beside all baselines of its kind. No label of the test split chooses
anything. Rows with a simulated guide are named so and stand in a table of their own. `tables` prints the tables,
`write` puts them between the markers of benches/RESULTS.md. Needs Python 3.9 and nothing else.
"""

import argparse
import hashlib
import json
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from journal import Journal  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- adaptation: begin -->", "<!-- adaptation: end -->"
RATES = [0.01, 0.02, 0.05, 0.1, 0.2]


class Row:
    """An objective on a benchmark. `rates` are tried on the validation split; `base` is "zero" or "tuned"."""

    def __init__(self, weight, benchmark, base, mode, objective, changes=(), rates=RATES, guide=None, seeds=None):
        self.weight, self.benchmark, self.base, self.mode = weight, benchmark, base, mode
        self.objective, self.changes, self.rates, self.guide = objective, list(changes), rates, guide
        self.seeds = seeds

    @property
    def name(self):
        guide = f", {self.guide if self.is_simulated else self.guide.split('(')[0]}" if self.guide else ""
        return f"{self.benchmark}-mini, from {self.base}, {self.mode}: {self.objective}{guide}"

    @property
    def is_simulated(self):
        return bool(self.guide) and self.guide.startswith("Simulated")


def single(x):
    return f"SingleStep(exponent: {x}, estimator: Exact)"


def rows(arguments):
    """The rows, the most telling first."""
    free = [
        Row(1, "mmlu", "zero", "Shared", "Information"),
        Row(2, "mmlu", "zero", "Shared", "OptionEntropy"),
        Row(2, "mmlu", "zero", "Shared", "Views(orders: 4)"),
        Row(2, "arc", "zero", "Shared", "Information"),
        Row(3, "arc", "zero", "Shared", "OptionEntropy"),
        Row(3, "mmlu", "zero", "Pool", "Information"),
        Row(4, "mmlu", "zero", "Item", "OptionEntropy", ["update.steps=4", "update.items=128"], [0.02, 0.1]),
        Row(4, "mmlu", "zero", "Shared", "ContextDistillation(examples: 3, draws: 4)", [], [0.02, 0.1]),
        Row(5, "gsm8k", "tuned", "Shared", "Majority", ["update.steps=16", "update.batch=32"], [0.002, 0.005, 0.02]),
        Row(6, "gsm8k", "tuned", "Shared", "Entropy", ["update.steps=16", "update.batch=32", "update.group=2"], [0.002, 0.01]),
        Row(6, "gsm8k", "tuned", "Shared", "MajorityImitation", ["update.steps=16", "update.batch=32"], [0.002, 0.01]),
        Row(7, "mmlu", "tuned", "Shared", "Information", [], [0.02, 0.1]),
    ]
    if not arguments.guide:
        return sorted(free, key=lambda row: row.weight)
    path = Path(arguments.guide).resolve()
    if not path.is_file():
        raise SystemExit(f"--guide: there is no file {path}")
    local = f'Local(checkpoint: File("{path}"))'
    item, half = ["update.steps=8"], ["stops.guide_calls=250", "update.batch=32"]
    guided = [
        Row(2, "gsm8k", "tuned", "Item", single("Is(1.0)"), item, [0.03, 0.1, 0.2], local),
        Row(3, "gsm8k", "tuned", "Item", single("Is(0.0)"), ["update.steps=2"], [0.1], local),
        Row(5, "gsm8k", "zero", "Item", single("Is(0.0)"), ["update.steps=32"], [0.2], local),
        Row(5, "gsm8k", "tuned", "Shared", single("Is(0.5)"), [*half, "update.steps=40"], [0.05, 0.2], local),
        Row(5, "gsm8k", "tuned", "Shared", "Soft(top: None)", [*half, "update.steps=40"], [0.05, 0.2], local),
        Row(5, "gsm8k", "tuned", "Shared", "ReverseKlExact", [*half, "update.steps=40", "update.group=1"], [0.02, 0.1], local),
        Row(6, "gsm8k", "tuned", "Shared", "Agreement(discount: 0.9)", [*half, "update.steps=24"], [0.02], local),
        Row(7, "gsm8k", "tuned", "Shared", "ReverseKl(discount: 0.9)", [*half, "update.steps=24"], [0.02], local),
        Row(7, "gsm8k", "tuned", "Shared", "Answer", [*half, "update.steps=24"], [0.01], local),
    ]
    simulated = [
        Row(8, "gsm8k", "tuned", "Item", single("Is(1.0)"), item, [0.1], f"Simulated(right: {right})", [0])
        for right in ["0.4", "0.6", "0.8", "1.0"]
    ]
    return sorted(free + guided + simulated, key=lambda row: row.weight)


class Unit:
    """One adaptation of one row."""

    def __init__(self, row, rate, seed, is_trial, arguments, bases):
        split = "validation" if is_trial else "test"
        self.row, self.rate, self.seed, self.is_trial = row, rate, seed, is_trial
        self.set = [
            f"name={split}",
            f"task.benchmark={row.benchmark}",
            f"task.split={split}",
            f"mode={row.mode}",
            f"objective={row.objective}",
            f"update.learning_rate={rate}",
            f"seed={seed}",
            *row.changes,
        ]
        if row.base == "tuned":
            # By its name, so that a journal made in another folder is the same study.
            self.set.append("base={tuned}")
        if row.guide:
            self.set.append(f"guide=Some({row.guide})")
        # Baselines do not depend on the seed of the adaptation by more than its draws.
        if is_trial or seed != (row.seeds or arguments.seeds)[0]:
            self.set.append("baselines.measure=false")
        if not is_trial and seed == 0 and row.mode != "Item":
            self.set.append("baselines.score_every=10")
        limit = arguments.trial_items if is_trial else arguments.items
        if limit:
            self.set.append(f"task.limit={limit}")
        self.key = hashlib.sha256(json.dumps(self.set).encode()).hexdigest()[:16]
        self.base = bases.get(row.benchmark)

    def settings(self):
        """The settings as the program takes them."""
        return [f'base=File("{self.base}")' if of == "base={tuned}" else of for of in self.set]

    def folder(self, out):
        return out / "work" / self.key


def outcomes(folder):
    file = folder / "results.jsonl"
    lines = file.read_text().splitlines() if file.is_file() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            pass
    return found


class UnitJournal(Journal):
    """The outcomes of units by their keys."""

    def __init__(self, out):
        super().__init__([out / "journal.jsonl"], lambda entry: entry["key"])

    def add(self, unit, found, error):
        self.write({
            "key": unit.key, "row": unit.row.name, "rate": unit.rate, "seed": unit.seed, "trial": unit.is_trial,
            "simulated": unit.row.is_simulated, "set": unit.set, "error": error, "outcomes": found,
        })

    def adapted(self, unit):
        entry = self.entries.get(unit.key)
        found = entry["outcomes"] if entry else []
        return next((of for of in found if of["kind"] == "Adapted"), None)


def accuracy(outcome):
    return outcome["right"].count("1") / max(1, len(outcome["right"]))


def tokens(outcome):
    cost = outcome["cost"]
    return (cost["forward"] + 3 * cost["trained"]) / max(1, len(outcome["right"]))


def chosen_rate(row, arguments, bases, journal):
    """The rate that the validation split chooses; none before all trials are done."""
    if len(row.rates) == 1:
        return row.rates[0]
    trials = [Unit(row, rate, 0, True, arguments, bases) for rate in row.rates]
    if any(unit.key not in journal.entries for unit in trials):
        return None
    found = [(accuracy(of), -unit.rate, unit.rate) for unit in trials if (of := journal.adapted(unit))]
    return max(found)[2] if found else None


def missing(row, arguments, bases, journal):
    """What is left to do of a row, as far as it is known."""
    if len(row.rates) > 1:
        trials = [Unit(row, rate, 0, True, arguments, bases) for rate in row.rates]
        left = [unit for unit in trials if unit.key not in journal.entries]
        if left:
            return left
    rate = chosen_rate(row, arguments, bases, journal)
    if rate is None:
        return []
    seeds = row.seeds or arguments.seeds
    units = [Unit(row, rate, seed, False, arguments, bases) for seed in seeds]
    return [unit for unit in units if unit.key not in journal.entries]


def tuned_bases(arguments, wanted):
    """States tuned with all labels of the training split, made by the program itself."""
    bases = {}
    for benchmark in wanted:
        runs = (arguments.out / "bases" / benchmark).resolve()
        states = sorted(runs.glob("*/state.safetensors"))
        if not states:
            command = [
                arguments.gosling, "tune", "--quiet", "--device", arguments.device, "--runs", str(runs),
                "--set", f"data.source=Mini({benchmark})", "--set", "evaluation.before=false",
                "--set", "evaluation.after=false",
            ]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            states = sorted(runs.glob("*/state.safetensors"))
        bases[benchmark] = states[-1]
    return bases


def batches(units, n):
    """Units over processes, in their order."""
    return [units[first::n] for first in range(n) if units[first::n]]


def run_round(units, arguments, journal, deadline):
    """Does units on every device; gives whether there is time left."""
    n = arguments.gpus or 1
    processes = []
    for idx, part in enumerate(batches(units, n)):
        device = f"gpu:{idx}" if arguments.gpus else arguments.device
        file = arguments.out / f"many-{idx}.jsonl"
        lines = [
            json.dumps({"preset": "mmlu-information", "set": unit.settings(), "out": str(unit.folder(arguments.out))})
            for unit in part
        ]
        file.write_text("\n".join(lines) + "\n")
        command = [arguments.gosling, "adapt", "--quiet", "--device", device, "--many", str(file)]
        log = (arguments.out / f"many-{idx}.log").open("w")
        processes.append((part, log, subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)))
    for _, _, process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
    for part, log, process in processes:
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()
        errors = {}
        for line in Path(log.name).read_text().splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict) and "out" in said:
                errors[said["out"]] = said["error"]
        for unit in part:
            out = str(unit.folder(arguments.out))
            if out in errors:
                journal.add(unit, outcomes(unit.folder(arguments.out)), errors[out])
                if errors[out]:
                    print(f"failed: {unit.row.name}, rate {unit.rate}: {errors[out]}", file=sys.stderr)
    return time.monotonic() < deadline


def run(arguments):
    deadline = time.monotonic() + (arguments.budget or 1e9)
    arguments.out.mkdir(parents=True, exist_ok=True)
    journal, all_rows = UnitJournal(arguments.out), rows(arguments)
    chosen = [row for row in all_rows if not arguments.rows or any(of in row.name for of in arguments.rows)]
    for weight in sorted({row.weight for row in chosen}):
        level = [row for row in chosen if row.weight == weight]
        bases = tuned_bases(arguments, {row.benchmark for row in level if row.base == "tuned"})
        while units := [unit for row in level for unit in missing(row, arguments, bases, journal)]:
            n_before = len(journal.entries)
            if not run_round(units, arguments, journal, deadline):
                print("the time is up; the same command goes on", file=sys.stderr)
                return
            if len(journal.entries) == n_before:
                raise SystemExit(f"the program did nothing; see {arguments.out}/many-0.log")
    print("all is done", file=sys.stderr)


def groups(journal):
    """Entries of the test split by row."""
    found = {}
    for entry in journal.entries.values():
        if not entry["trial"] and not entry["error"]:
            found.setdefault((entry["simulated"], entry["row"], entry["rate"]), []).append(entry)
    return found


def best_rival(entries):
    """The best figure that costs no more, of the run that has them."""
    for entry in entries:
        adapted = next(of for of in entry["outcomes"] if of["kind"] == "Adapted")
        rivals = [
            of for of in entry["outcomes"]
            if of["kind"] == "Guide" or (of["kind"] in ("Base", "Baseline") and tokens(of) <= 1.05 * tokens(adapted))
        ]
        if any(of["kind"] == "Baseline" for of in rivals):
            return max(rivals, key=accuracy)
    return None


def mcnemar(a, b):
    """Two-sided, exact."""
    from math import comb
    fixed = sum(x == "1" and y == "0" for x, y in zip(a, b))
    broken = sum(x == "0" and y == "1" for x, y in zip(a, b))
    n, fewer = fixed + broken, min(fixed, broken)
    return min(1.0, 2 * sum(comb(n, k) for k in range(fewer + 1)) / 2**n) if n else 1.0


def table(journal, simulated):
    lines = [
        "| row | rate | seeds | base | adapted | tokens a question | best at no more tokens | p |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (is_simulated, row, rate), entries in groups(journal).items():
        if is_simulated != simulated:
            continue
        adapted = [next(of for of in entry["outcomes"] if of["kind"] == "Adapted") for entry in entries]
        base = next(of for of in entries[0]["outcomes"] if of["kind"] == "Base")
        values = [accuracy(of) for of in adapted]
        spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
        rival = best_rival(entries)
        against = f"{accuracy(rival):.3f} {rival['name']}" if rival else ""
        p = f"{mcnemar(adapted[0]['right'], rival['right']):.2g}" if rival else ""
        lines.append(
            f"| {row} | {rate} | {len(values)} | {accuracy(base):.3f} | {statistics.mean(values):.3f}{spread} "
            f"| {tokens(adapted[0]):.0f} | {against} | {p} |"
        )
    return "\n".join(lines) if len(lines) > 2 else ""


def tables(journal):
    parts = [table(journal, False)]
    simulated = table(journal, True)
    if simulated:
        parts += ["With a simulated guide, which reads the labels and so proves nothing:", simulated]
    return "\n\n".join(part for part in parts if part)


def write(arguments):
    text = tables(UnitJournal(arguments.out))
    if not text:
        raise SystemExit("the journal has no row of the test split yet")
    file = ROOT / "benches" / "RESULTS.md"
    old = file.read_text()
    if BEGIN not in old:
        old = f"{old.rstrip()}\n\n## Test-time adaptation\n\n{BEGIN}\n{END}\n"
    before, rest = old.split(BEGIN)
    file.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "tables", "write"])
    parser.add_argument("--gosling", default=str(ROOT / "target" / "release" / "gosling"))
    parser.add_argument("--device", default="gpu")
    parser.add_argument("--gpus", type=int, help="one process on each of so many GPUs")
    parser.add_argument("--guide", help="the weights of a larger model with the mini vocabulary")
    parser.add_argument("--budget", type=float, help="seconds")
    parser.add_argument("--rows", nargs="*", help="only rows whose names have one of these texts")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--items", type=int, help="the first so many test questions only")
    parser.add_argument("--trial-items", type=int, help="the same of the validation split")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out = arguments.out.resolve()
    if arguments.what == "run":
        run(arguments)
    elif arguments.what == "tables":
        print(tables(UnitJournal(arguments.out)))
    else:
        write(arguments)


if __name__ == "__main__":
    main()
