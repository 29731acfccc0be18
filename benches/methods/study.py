#!/usr/bin/env python3
"""What the methods do: rates chosen on the validation split, then five seeds on the test split.

    python3 benches/methods/study.py run --gosling target/release/gosling --device gpu:0 --out study
    python3 benches/methods/study.py table --out study

Every method of a benchmark gets the same number of rate trials on the validation split (seed 0); the rates
with the most right answers, among equals those with the lower validation loss, are used with seeds 0 to 4
on the test split. Both are sweeps of `gosling sweep`, whose files and runs lie in the output folder, so that
a study that was interrupted goes on where it stopped. Two GPUs share the work by `--method` and
`--benchmark`, each with a folder of its own; `table` takes several. Needs Python 3.9 and nothing else.
"""

import argparse
import json
import math
import signal
import statistics
import subprocess
import time
from pathlib import Path

SEEDS = range(5)


def geometric(first, last, n):
    """n numbers from first to last, equal ratios apart, three digits."""
    ratio = (last / first) ** (1 / (n - 1))
    return [float(f"{first * ratio**i:.3g}") for i in range(n)]


def s0_rates(first, last, n):
    return [{"training.learning_rate": rate} for rate in geometric(first, last, n)]


def lift_rates(first, last, n):
    return [{"method.learning_rate_lift": rate} for rate in geometric(first, last, n)]


def both_rates(of_s0, of_lift):
    return [
        {"training.learning_rate": s0, "method.learning_rate_lift": lift} for s0 in of_s0 for lift in of_lift
    ]


# Sixteen trials each.
S0 = s0_rates(0.05, 12.8, 16)
LIFT = lift_rates(0.0025, 0.64, 16)
BOTH = both_rates([0.05, 0.2, 0.8, 3.2], [0.0025, 0.01, 0.04, 0.16])
# A gamma between those at which the recurrence runs away and those at which nothing reaches the state.
LITERAL = [
    {"method.features.gamma": f"Value({gamma})", "method.learning_rate_lift": rate}
    for gamma in (0.55, 0.65, 0.8, 1.0)
    for rate in (0.001, 0.01, 0.1, 1.0)
]

LOCAL_RULE = "decorrelation: (rule: LocalRule(eta: 0.05, kappa: 0.5))"

# Name, method, rates. M is 256, gamma 1, support vectors are k-means centres: the defaults.
METHODS = [
    ("standard", "Standard()", S0),
    ("lifted", "Lifted()", BOTH),
    ("lifted, decorrelated", f"Lifted({LOCAL_RULE})", BOTH),
    ("lifted, no S_0", "Lifted(tune_s0: false)", LIFT),
    ("lifted, decorrelated, no S_0", f"Lifted(tune_s0: false, {LOCAL_RULE})", LIFT),
    ("control: kappa = 1", "Lifted(decorrelation: (rule: LocalRule(eta: 0.05, kappa: 1.0)))", BOTH),
    ("control: scalar R", "Lifted(decorrelation: (rule: ScalarRms(eta: 0.05)))", BOTH),
    ("decayed, decorrelated", f"Lifted(dynamics: Decayed, {LOCAL_RULE})", BOTH),
    ("recurrent, decorrelated", f"Lifted(dynamics: Recurrent, {LOCAL_RULE})", BOTH),
    ("paper-literal", f"PaperLiteral({LOCAL_RULE})", LITERAL),
]

# The other three: fewer methods, six trials.
OTHERS = ["arc", "mmlu", "winogrande"]
# WinoGrande's validation loss and accuracy part ways: by the loss every run hands over the untuned state.
SELECTION = {"winogrande": ["training.select_by=ValidationAccuracy"]}
OTHER_RATES = {
    "standard": s0_rates(0.003, 0.96, 6),
    "lifted": both_rates([0.01, 0.1], [0.001, 0.01, 0.1]),
    "lifted, decorrelated": both_rates([0.01, 0.1], [0.001, 0.01, 0.1]),
}


class Row:
    """A method on a benchmark."""

    def __init__(self, benchmark, name, method, rates):
        self.benchmark, self.name, self.method, self.rates = benchmark, name, method, rates

    def trials(self):
        """Every choice of rates, with seed 0."""
        return [Run(self, rates, 0) for rates in self.rates]

    def tests(self, rates):
        """The five seeds."""
        return [Run(self, rates, seed) for seed in SEEDS]


class Run:
    """One run of a study."""

    def __init__(self, row, rates, seed):
        self.row, self.rates, self.seed = row, rates, seed

    def part(self):
        """The run as a part of a sweep of its own, so that the sweep can score it on the test split."""
        fields = [f"{path}={value}" for path, value in self.rates.items()] + [f"training.seed={self.seed}"]
        name = f"{self.row.name}, seed {self.seed}"
        return (
            f"(name: {json.dumps(name)}, set: [{json.dumps('method=' + self.row.method)}],"
            f" search: List([{json.dumps(fields)}]))"
        )

    def key(self):
        return json.dumps([self.row.benchmark, self.row.name, self.rates, self.seed])


class Study:
    """The sweeps of a study."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.out = Path(arguments.out[0])
        self.deadline = time.monotonic() + arguments.minutes * 60
        self.out.mkdir(parents=True, exist_ok=True)

    def sweep(self, name, benchmark, runs, test):
        """Does a sweep, or goes on with it. Whether it is complete."""
        arguments = self.arguments
        set_all = [
            f"data.source=Mini({benchmark})",
            f"training.steps={arguments.steps}",
            "evaluation.before=false",
            "evaluation.few_shot=0",
            "intervals.log=10",
            "intervals.checkpoint=0",
            "intervals.snapshot=0",
            *SELECTION.get(benchmark, []),
        ]
        parts = ",\n        ".join(run.part() for run in runs)
        (self.out / f"{name}.ron").write_text(
            f'(\n    name: "{name}",\n    base: Preset("standard"),\n    set: {json.dumps(set_all)},\n'
            f"    parts: [\n        {parts},\n    ],\n"
            f"    choose_by: ValidationAccuracy,\n    test: {'true' if test else 'false'},\n)\n"
        )
        # The sweep numbers its runs in this order.
        (self.out / f"{name}.json").write_text(json.dumps([run.key() for run in runs]))
        command = [arguments.gosling, "sweep", "--quiet", "--runs", str(self.out), "--device", arguments.device]
        if (self.out / "sweeps" / name).is_dir():
            command += ["--resume", str(self.out / "sweeps" / name)]
        else:
            command += ["--untimed", str(self.out / f"{name}.ron")]
        left = self.deadline - time.monotonic()
        if left <= 0:
            return False
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            return process.wait(timeout=left if math.isfinite(left) else None) == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait()
            return False


def run(arguments):
    study = Study(arguments)
    rows = plan(arguments)
    is_complete = True
    for benchmark in dict.fromkeys(row.benchmark for row in rows):
        own = [row for row in rows if row.benchmark == benchmark]
        trials = [trial for row in own for trial in row.trials()]
        if not study.sweep(f"{benchmark}-rates", benchmark, trials, test=False):
            is_complete = False
            break
        found = results([study.out], f"{benchmark}-rates", ".")
        chosen = [row.tests(rates) for row in own if (rates := best_rates(row, found))]
        # Seed by seed, so that what is there when time is up compares like with like.
        tests = [runs[seed] for seed in SEEDS for runs in chosen]
        is_complete &= not tests or study.sweep(f"{benchmark}-test", benchmark, tests, test=True)
    table(arguments)
    if not is_complete:
        print("\nThe study is not complete; the same command goes on with it.")


def results(folders, sweep, kind):
    """What the runs of a sweep gave, by their keys. `kind` stands between the sweep's name and the number."""
    found = {}
    for out in folders:
        keys = out / f"{sweep}.json"
        if not keys.is_file():
            continue
        for idx, key in enumerate(json.loads(keys.read_text())):
            metrics = out / f"{sweep}{kind}{idx:04}" / "metrics.jsonl"
            if metrics.is_file():
                found[key] = outcome(metrics)
    return found


def outcome(metrics):
    """What the numbers of a run say of it."""
    result = {"right": None, "step_ms": None, "validation_loss": math.inf, "diverged": False}
    secs = []
    for line in metrics.read_text().splitlines():
        record = json.loads(line)
        if record["kind"] == "step":
            secs.append(record["secs"])
        elif record["kind"] == "validation" and record["best"]:
            result["validation_loss"] = record["loss"]
        elif record["kind"] == "evaluation":
            score = record["summary"]["scores"][0]
            result["right"] = (score["n_correct"], score["n_items"])
        elif record["kind"] == "end":
            result["diverged"] = "Diverged" in str(record["outcome"])
    if secs:
        result["step_ms"] = 1000 * statistics.median(secs)
    return result


def plan(arguments):
    """The rows of the tables."""
    rows = [Row("gsm8k", name, method, rates) for name, method, rates in METHODS]
    for benchmark in OTHERS:
        rows += [
            Row(benchmark, name, method, OTHER_RATES[name]) for name, method, _ in METHODS if name in OTHER_RATES
        ]
    wanted, methods = arguments.benchmark, arguments.method
    return [
        row for row in rows if (not wanted or row.benchmark in wanted) and (not methods or row.name in methods)
    ]


def best_rates(row, found):
    """The rates with the most right answers on the validation split."""
    ranks = []
    for idx, trial in enumerate(row.trials()):
        result = found.get(trial.key())
        if result and result["right"] and not result["diverged"]:
            ranks.append((result["right"][0], -result["validation_loss"], -idx))
    return row.rates[-max(ranks)[2]] if ranks else None


def table(arguments):
    folders = [Path(out) for out in arguments.out]
    print("| benchmark | method | rates | trials, right of 200 | mean of the seeds | each | ms a step |")
    print("|---|---|---|---|---|---|---|")
    for row in plan(arguments):
        found = results(folders, f"{row.benchmark}-rates", ".")
        tried = [found.get(trial.key()) for trial in row.trials()]
        rates = best_rates(row, found)
        if not any(tried):
            continue
        counts = ", ".join(str(result["right"][0]) if result and result["right"] else "-" for result in tried)
        if not rates:
            print(f"| {row.benchmark}-mini | {row.name} | none | {counts} | - | - | - |")
            continue
        of_test = results(folders, f"{row.benchmark}-test", ".best-")
        tests = [of_test.get(test.key()) for test in row.tests(rates)]
        tests = [test for test in tests if test and test["right"]]
        times = [test["step_ms"] for test in tests if test["step_ms"]]
        shares = [test["right"][0] / test["right"][1] for test in tests]
        n_items = tests[0]["right"][1] if tests else 0
        print(
            f"| {row.benchmark}-mini | {row.name} | {rate_text(rates)}{' (edge)' if at_edge(rates, row.rates) else ''} "
            f"| {counts} | {mean_text(shares, n_items)} | {', '.join(f'{share:.3f}' for share in shares)} "
            f"| {f'{statistics.median(times):.1f}' if times else '-'} |"
        )


def at_edge(rates, tried):
    """Whether a chosen rate is the lowest or the highest that was tried."""
    for path, rate in rates.items():
        values = sorted({one[path] for one in tried})
        if len(values) > 1 and rate in (values[0], values[-1]):
            return True
    return False


def rate_text(rates):
    return " / ".join(rate if isinstance(rate, str) else f"{rate:g}" for rate in rates.values())


def mean_text(shares, n_items):
    """Mean over the seeds with its 95% interval (Student's t over the seeds)."""
    if not shares:
        return "-"
    mean = statistics.mean(shares)
    if len(shares) < 2:
        return f"{mean:.3f} (1 seed, n = {n_items})"
    t = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}[len(shares)]
    half = t * statistics.stdev(shares) / math.sqrt(len(shares))
    return f"{mean:.3f} ± {half:.3f} ({len(shares)} seeds, n = {n_items})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--gosling", default="target/release/gosling")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after this many")
    parser.add_argument("--benchmark", nargs="*", help="gsm8k, arc, mmlu, winogrande; all by default")
    parser.add_argument("--method", nargs="*", help="names as in the table; all by default")
    parser.add_argument("--out", nargs="+", default=["study"], help="table: several are read as one")
    arguments = parser.parse_args()
    {"run": run, "table": table}[arguments.what](arguments)


if __name__ == "__main__":
    main()
