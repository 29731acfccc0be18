#!/usr/bin/env python3
"""What test-time adaptation does: rates and steps chosen on the validation split, then seeds on the test split.

    python3 benches/adapt/study.py run --gosling target/release/gosling --device gpu --budget 540 --out study
    python3 benches/adapt/study.py plan --guide guide --guided --out study
    python3 benches/adapt/study.py run --guide guide --guided --budget 1500 --out study
    python3 benches/adapt/study.py write --out study

`run` goes on where the journal in the output folder ends, and the most telling rows come first, so that it can
be stopped at any time; one process of the program does many adaptations, one process a GPU, so that kernels are
compiled once. A row is tried at several rates on the validation split (seed 0); that with the best accuracy is
used on the test split with every seed, beside all baselines of its kind. No label of the test split chooses
anything. Where the rate does not depend on how many steps are to come, the validation split chooses the number of
steps too, from one run that is scored on its way. `--guide` names the weights of a larger model with the mini
vocabulary, or the folder of their parts (*.part0, *.part1 ...), which are joined. Rows with a guide stand in a table
of their own, with what the guide itself is worth and what its answers are worth as votes; rows with a simulated
guide are named so and stand in a third. `plan` says what would be done and does nothing, `tables` prints the
tables, `write` puts them between the markers of benches/RESULTS.md. Needs Python 3.9 and nothing else.
"""

import argparse
import hashlib
import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from study_rows import rows
from study_tables import accuracy, tables

sys.path.append(str(Path(__file__).resolve().parents[1]))

from journal import Journal  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- adaptation: begin -->", "<!-- adaptation: end -->"
# Questions of the splits of every mini benchmark.
SPLIT_ITEMS = {"validation": 200, "test": 500}


def joined(path, out):
    """The file of the guide's weights; where a folder has it in parts, they are joined in `out`."""
    path = Path(path).resolve()
    if path.is_file():
        return path
    whole = sorted(path.glob("*.pth")) if path.is_dir() else []
    if whole:
        return whole[0]
    parts = sorted(path.glob("*.part*")) if path.is_dir() else []
    if not parts:
        raise SystemExit(f"--guide: there is no file {path}, and no folder with its parts")
    made = out / parts[0].name.rsplit(".part", 1)[0]
    if made.is_file() and made.stat().st_size == sum(part.stat().st_size for part in parts):
        return made
    scratch = made.with_suffix(".joining")
    with scratch.open("wb") as file:
        for part in parts:
            with part.open("rb") as own:
                shutil.copyfileobj(own, file)
    scratch.rename(made)
    return made


class Unit:
    """One adaptation of one row; `steps` where the row leaves their number to the validation split."""

    def __init__(self, row, rate, seed, is_trial, arguments, bases, steps=None):
        split = "validation" if is_trial else "test"
        self.row, self.rate, self.seed, self.is_trial, self.steps = row, rate, seed, is_trial, steps
        self.set = [
            f"name={split}",
            f"task.benchmark={row.benchmark}",
            f"task.split={split}",
            f"mode={row.mode}",
            f"objective={row.objective}",
            f"update.learning_rate={rate}",
            f"seed={seed}",
        ]
        n_items = (arguments.trial_items if is_trial else arguments.items) or SPLIT_ITEMS[split]
        self.set += [change.replace("{half}", str(max(1, n_items // 2))) for change in row.changes]
        if row.steps:
            self.set.append(f"update.steps={max(row.steps) if is_trial else steps}")
        if row.steps and is_trial:
            self.set.append(f"baselines.score_every={math.gcd(*row.steps)}")
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
        self.base, self.guide = bases.get(row.benchmark), getattr(arguments, "guide_file", None)

    def settings(self):
        """The settings as the program takes them."""
        settings = [f'base=File("{self.base}")' if of == "base={tuned}" else of for of in self.set]
        return [of.replace("{guide}", str(self.guide)) for of in settings]

    def folder(self, out):
        return out / "work" / self.key


def lines_of(file):
    lines = file.read_text().splitlines() if file.is_file() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            pass
    return found


def outcomes(folder):
    return lines_of(folder / "results.jsonl")


def scores(folder, steps):
    """How many answers were right after each of some numbers of steps, and of how many. A part whose states all
    stopped before has its last answers."""
    seen = {}
    for line in lines_of(folder / "curve.jsonl"):
        if line.get("score"):
            seen[line["part"], line["score"]["step"]] = line["score"]
    found = {}
    for n in steps:
        right = items = 0
        for part in lines_of(folder / "parts.jsonl"):
            score = seen.get((part["first"], n))
            if score:
                right, items = right + score["n_correct"], items + score["n_items"]
            elif len(part["curve"]) <= n:
                right, items = right + sum(of["right"] for of in part["items"]), items + len(part["items"])
            else:
                break
        else:
            found[str(n)] = [right, items]
    return found


class UnitJournal(Journal):
    """The outcomes of units by their keys."""

    def __init__(self, out):
        super().__init__([out / "journal.jsonl"], lambda entry: entry["key"])

    def add(self, unit, found, error, scored=None):
        entry = {
            "key": unit.key, "row": unit.row.name, "rate": unit.rate, "seed": unit.seed, "trial": unit.is_trial,
            "simulated": unit.row.is_simulated, "set": unit.set, "error": error, "outcomes": found,
        }
        if unit.row.guide:
            entry["kind"] = unit.row.kind
        if unit.row.steps:
            entry["steps"], entry["scores"] = unit.steps, scored or {}
        self.write(entry)

    def adapted(self, unit):
        entry = self.entries.get(unit.key)
        found = entry["outcomes"] if entry else []
        return next((of for of in found if of["kind"] == "Adapted"), None)


def chosen(row, arguments, bases, journal):
    """The rate and the number of steps that the validation split chooses, the fewest steps and then the smallest
    rate of equally good ones; none before all trials are done."""
    if not row.is_chosen:
        return row.rates[0], None
    trials = [Unit(row, rate, 0, True, arguments, bases) for rate in row.rates]
    if any(unit.key not in journal.entries for unit in trials):
        return None
    found = []
    for unit in trials:
        if row.steps:
            scored = journal.entries[unit.key].get("scores", {})
            found += [(right / max(1, n), -int(steps), -unit.rate) for steps, (right, n) in scored.items()]
        elif of := journal.adapted(unit):
            found.append((accuracy(of), 0, -unit.rate))
    if not found:
        return None
    _, steps, rate = max(found)
    return -rate, -steps or None


def missing(row, arguments, bases, journal):
    """What is left to do of a row, as far as it is known."""
    if row.is_chosen:
        trials = [Unit(row, rate, 0, True, arguments, bases) for rate in row.rates]
        left = [unit for unit in trials if unit.key not in journal.entries]
        if left:
            return left
    found = chosen(row, arguments, bases, journal)
    if found is None:
        return []
    rate, steps = found
    seeds = row.seeds or arguments.seeds
    units = [Unit(row, rate, seed, False, arguments, bases, steps) for seed in seeds]
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
                folder = unit.folder(arguments.out)
                scored = scores(folder, unit.row.steps) if unit.row.steps and unit.is_trial else None
                journal.add(unit, outcomes(folder), errors[out], scored)
                if errors[out]:
                    print(f"failed: {unit.row.name}, rate {unit.rate}: {errors[out]}", file=sys.stderr)
    return time.monotonic() < deadline


def wanted_rows(arguments):
    return [row for row in rows(arguments) if not arguments.rows or any(of in row.name for of in arguments.rows)]


def plan(arguments):
    """What would be done, in its order: adaptations on the validation split, and on the test split."""
    journal = UnitJournal(arguments.out)
    total = 0
    for row in wanted_rows(arguments):
        seeds = row.seeds or arguments.seeds
        trials = [Unit(row, rate, 0, True, arguments, {}) for rate in row.rates] if row.is_chosen else []
        n_left = sum(unit.key not in journal.entries for unit in trials)
        found = chosen(row, arguments, {}, journal)
        units = [Unit(row, found[0], seed, False, arguments, {}, found[1]) for seed in seeds] if found else []
        n_test = sum(unit.key not in journal.entries for unit in units) if found else len(seeds)
        total += n_left + n_test
        steps = f", steps {row.steps}" if row.steps else ""
        print(f"{row.weight}  {row.name}: rates {row.rates}{steps}; {n_left} trials and {n_test} on test are left")
    print(f"{total} adaptations are left")


def run(arguments):
    deadline = time.monotonic() + (arguments.budget or 1e9)
    arguments.out.mkdir(parents=True, exist_ok=True)
    journal, wanted = UnitJournal(arguments.out), wanted_rows(arguments)
    if arguments.guide:
        arguments.guide_file = joined(arguments.guide, arguments.out)
    for weight in sorted({row.weight for row in wanted}):
        level = [row for row in wanted if row.weight == weight]
        bases = tuned_bases(arguments, {row.benchmark for row in level if row.base == "tuned"})
        while units := [unit for row in level for unit in missing(row, arguments, bases, journal)]:
            n_before = len(journal.entries)
            if not run_round(units, arguments, journal, deadline):
                print("the time is up; the same command goes on", file=sys.stderr)
                return
            if len(journal.entries) == n_before:
                raise SystemExit(f"the program did nothing; see {arguments.out}/many-0.log")
    print("all is done", file=sys.stderr)


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
    parser.add_argument("what", choices=["plan", "run", "tables", "write"])
    parser.add_argument("--gosling", default=str(ROOT / "target" / "release" / "gosling"))
    parser.add_argument("--device", default="gpu")
    parser.add_argument("--gpus", type=int, help="one process on each of so many GPUs")
    parser.add_argument("--guide", help="the weights of a larger model with the mini vocabulary, or the folder of their parts")
    parser.add_argument("--guided", action="store_true", help="only rows with a guide")
    parser.add_argument("--budget", type=float, help="seconds")
    parser.add_argument("--rows", nargs="*", help="only rows whose names have one of these texts")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--items", type=int, help="the first so many test questions only")
    parser.add_argument("--trial-items", type=int, help="the same of the validation split")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out = arguments.out.resolve()
    if arguments.guided and not arguments.guide:
        parser.error("--guided needs --guide")
    if arguments.what == "plan":
        plan(arguments)
    elif arguments.what == "run":
        run(arguments)
    elif arguments.what == "tables":
        print(tables(UnitJournal(arguments.out)))
    else:
        write(arguments)


if __name__ == "__main__":
    main()
