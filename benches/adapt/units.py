"""The adaptations of a study: what each is, what came of it, and what is left."""

import hashlib
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[up]) for up in (0, 1)]

from study_tables import accuracy  # noqa: E402
from journal import Journal  # noqa: E402

# Questions of the splits of every mini benchmark.
SPLIT_ITEMS = {"validation": 200, "test": 500}


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

    def add(self, unit, found, error, scored=None, secs=None):
        entry = {
            "key": unit.key, "row": unit.row.name, "rate": unit.rate, "seed": unit.seed, "trial": unit.is_trial,
            "simulated": unit.row.is_simulated, "set": unit.set, "error": error, "outcomes": found,
        }
        if unit.row.guide:
            entry["kind"] = unit.row.kind
        if secs is not None:
            entry["secs"] = round(secs, 1)
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


def secs_of(journal, row, is_trial):
    """The median seconds of the last adaptations of a row, else of all; none before any was timed."""
    timed = [entry for entry in journal.entries.values() if "secs" in entry]
    for alike in (
        [entry for entry in timed if (entry["row"], entry["trial"]) == (row.name, is_trial)],
        [entry for entry in timed if entry["row"] == row.name],
        timed,
    ):
        if alike:
            return statistics.median(entry["secs"] for entry in alike[-8:])
    return None
