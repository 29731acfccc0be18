#!/usr/bin/env python3
"""What the methods do: rates chosen on the validation split, then five seeds on the test split.

    python3 benches/methods/study.py run --gosling target/release/gosling --device gpu:0 --jobs 8 --out study
    python3 benches/methods/study.py table --out study

Every method gets the same number of rate trials on the validation split (seed 0); the rates with the most
right answers, among equals those with the lower validation loss, are used with seeds 0 to 4 on the test
split. `results.jsonl` in the output folder has one line a run; runs that are in it are not repeated.
Needs Python 3.9 and nothing else.
"""

import argparse
import hashlib
import json
import math
import os
import queue
import statistics
import subprocess
import threading
import time
from pathlib import Path

SEEDS = range(5)
DECORRELATION = "method.decorrelation"


def geometric(first, last, n):
    """n numbers from first to last, equal ratios apart, three digits."""
    ratio = (last / first) ** (1 / (n - 1))
    return [float(f"{first * ratio**i:.3g}") for i in range(n)]


def s0_rates(first, last, n):
    return [{"training.learning_rate": rate} for rate in geometric(first, last, n)]


def lift_rates(first, last, n):
    # The rate of S_0 is in the specification and not used: S_0 is not trained.
    return [{"method.learning_rate_lift": rate} for rate in geometric(first, last, n)]


def both_rates(of_s0, of_lift):
    return [
        {"training.learning_rate": s0, "method.learning_rate_lift": lift} for s0 in of_s0 for lift in of_lift
    ]


# Nine trials each.
S0 = s0_rates(0.025, 6.4, 9)
LIFT = lift_rates(0.003, 3.0, 9)
BOTH = both_rates([0.1, 0.4, 1.6], [0.01, 0.04, 0.16])

# Name, preset, options, rates.
METHODS = [
    ("standard", "standard", {}, S0),
    ("lifted", "lifted", {}, BOTH),
    ("lifted, decorrelated", "lifted-decorrelation", {}, BOTH),
    ("lifted, no S_0", "lifted", {"method.tune_s0": "false"}, LIFT),
    ("lifted, decorrelated, no S_0", "lifted-decorrelation", {"method.tune_s0": "false"}, LIFT),
    ("control: kappa = 1", "lifted-decorrelation", {f"{DECORRELATION}.rule.kappa": "1.0"}, BOTH),
    ("control: scalar R", "lifted-decorrelation", {f"{DECORRELATION}.rule": "ScalarRms(eta: 0.05)"}, BOTH),
    ("decayed, decorrelated", "lifted-decorrelation", {"method.dynamics": "Decayed"}, BOTH),
    ("recurrent, decorrelated", "lifted-recurrent", {}, BOTH),
    ("paper-literal", "paper-literal", {}, LIFT),
]

# The other three: fewer methods, six trials.
OTHERS = ["arc", "mmlu", "winogrande"]
# WinoGrande's validation loss and accuracy part ways: by the loss every run hands over the untuned state.
SELECTION = {"arc": {}, "mmlu": {}, "winogrande": {"training.select_by": "ValidationAccuracy"}}
OTHER_RATES = {
    "standard": s0_rates(0.003, 0.96, 6),
    "lifted": both_rates([0.01, 0.1], [0.001, 0.01, 0.1]),
    "lifted, decorrelated": both_rates([0.01, 0.1], [0.001, 0.01, 0.1]),
}


class Study:
    """The runs of a study, some of them side by side."""

    def __init__(self, arguments):
        self.gosling = Path(arguments.gosling).resolve()
        self.devices = arguments.device
        self.jobs = arguments.jobs
        self.out = Path(arguments.out)
        self.deadline = time.time() + arguments.minutes * 60
        self.steps = arguments.steps
        self.lock = threading.Lock()
        self.out.mkdir(parents=True, exist_ok=True)
        self.results = read_results(self.out)

    def run_all(self, runs):
        """Takes the runs that are not done, `jobs` at a time over all devices."""
        waiting = queue.Queue()
        for run in runs:
            if key(run) not in self.results:
                waiting.put(run)
        if waiting.empty():
            return

        def work(slot):
            device = self.devices[slot % len(self.devices)]
            while time.time() < self.deadline:
                try:
                    run = waiting.get_nowait()
                except queue.Empty:
                    return
                self.take(run, device)

        workers = [threading.Thread(target=work, args=(slot,)) for slot in range(self.jobs)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def take(self, run, device):
        start = time.time()
        command = [str(self.gosling), "tune", "--quiet", "--device", device, "--preset", run["preset"]]
        options = {
            **run["options"],
            **run["rates"],
            "data.source": f"Mini({run['benchmark']})",
            "training.seed": run["seed"],
            "training.steps": self.steps,
            "evaluation.before": "false",
            "evaluation.few_shot": 0,
            "evaluation.split": run["split"],
            "intervals.log": 10,
            "intervals.checkpoint": 0,
        }
        for path, value in options.items():
            command += ["--set", f"{path}={value}"]
        folder = self.out / "runs" / hashlib.sha256(key(run).encode()).hexdigest()[:16]
        command += ["--runs", str(folder)]
        environment = {**os.environ, "RAYON_NUM_THREADS": "2"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1200)
        result = {**run, "wall_secs": round(time.time() - start, 1), "device": device, **outcome(folder, done)}
        with self.lock:
            self.results[key(run)] = result
            with open(self.out / "results.jsonl", "a") as file:
                file.write(json.dumps(result) + "\n")
            scores = result.get("scores", {})
            print(
                f"{result['wall_secs']:6.1f} s  {run['benchmark']:10} {run['split']:10} {run['method']:30} "
                f"{list(run['rates'].values())} seed {run['seed']}: {scores} {result.get('problem', '')}",
                flush=True,
            )


def outcome(folder, done):
    """What the run's own files say of it."""
    numbers = sorted(folder.glob("*/metrics.jsonl"))
    if not numbers:
        return {"problem": done.stderr.strip()[-300:]}
    result = {"scores": {}, "step_ms": None, "validation_loss": None, "diverged": False}
    secs = []
    for line in numbers[-1].read_text().splitlines():
        record = json.loads(line)
        if record["kind"] == "step":
            secs.append(record["secs"])
        elif record["kind"] == "validation" and record["best"]:
            result["validation_loss"], result["best_step"] = record["loss"], record["step"]
        elif record["kind"] == "evaluation":
            for score in record["summary"]["scores"]:
                result["scores"][score["name"]] = [score["n_correct"], score["n_items"]]
        elif record["kind"] == "end":
            result["diverged"] = "Diverged" in str(record["outcome"])
    if secs:
        result["step_ms"] = round(1000 * statistics.median(secs), 2)
    if done.returncode != 0:
        result["problem"] = done.stderr.strip()[-300:]
    return result


def key(run):
    return json.dumps([run[part] for part in ("benchmark", "method", "split", "seed", "rates")], sort_keys=True)


def read_results(out):
    path = out / "results.jsonl"
    if not path.exists():
        return {}
    results = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return {key(result): result for result in results}


def headline(result):
    """Right answers and items of the first figure, none where nothing was measured."""
    scores = result.get("scores") or {}
    return next(iter(scores.values()), None)


def plan(arguments):
    """(benchmark, method, preset, options, rates) of every row of the tables."""
    rows = []
    for name, preset, options, rates in METHODS:
        rows.append(("gsm8k", name, preset, options, rates))
    for benchmark in OTHERS:
        for name, preset, options, _ in METHODS:
            if name in OTHER_RATES:
                rows.append((benchmark, name, preset, {**options, **SELECTION[benchmark]}, OTHER_RATES[name]))
    wanted = arguments.benchmark
    methods = arguments.method
    return [row for row in rows if (not wanted or row[0] in wanted) and (not methods or row[1] in methods)]


def runs_of(row, split, seeds, rates):
    benchmark, method, preset, options, _ = row
    return [
        {
            "benchmark": benchmark,
            "method": method,
            "preset": preset,
            "options": options,
            "rates": chosen,
            "split": split,
            "seed": seed,
        }
        for chosen in rates
        for seed in seeds
    ]


def best_rates(row, results):
    """The rates with the most right answers on the validation split."""
    best = None
    for run in runs_of(row, "Validation", [0], row[4]):
        result = results.get(key(run))
        right = result and headline(result)
        if not right or result.get("diverged"):
            continue
        loss = result["validation_loss"]
        rank = (right[0], -(loss if loss is not None else math.inf))
        if best is None or rank > best[0]:
            best = (rank, run["rates"])
    return best and best[1]


def run(arguments):
    study = Study(arguments)
    rows = plan(arguments)
    study.run_all([one for row in rows for one in runs_of(row, "Validation", [0], row[4])])
    chosen = [(row, best_rates(row, study.results)) for row in rows]
    # Seed by seed, so that what is there when time is up compares like with like.
    tests = [one for seed in SEEDS for row, rates in chosen if rates for one in runs_of(row, "Test", [seed], [rates])]
    study.run_all(tests)
    table(arguments)


def table(arguments):
    results = read_results(Path(arguments.out))
    for row in plan(arguments):
        rates = best_rates(row, results)
        if not rates:
            continue
        trials = [results.get(key(one)) for one in runs_of(row, "Validation", [0], row[4])]
        tried = sum(trial is not None for trial in trials)
        tests = [results.get(key(one)) for one in runs_of(row, "Test", SEEDS, [rates])]
        shares = [right[0] / right[1] for right in (headline(test) for test in tests if test) if right]
        times = [test["step_ms"] for test in tests if test and test.get("step_ms")]
        n_items = next((headline(test)[1] for test in tests if test and headline(test)), 0)
        edges = at_edge(rates, row[4])
        print(
            f"| {row[0]}-mini | {row[1]} | {rate_text(rates)}{' (edge)' if edges else ''} | {tried} | "
            f"{mean_text(shares, n_items)} | {', '.join(f'{share:.3f}' for share in shares)} | "
            f"{statistics.median(times) if times else '-'} |"
        )


def at_edge(rates, tried):
    """Whether a chosen rate is the lowest or the highest that was tried."""
    for path, rate in rates.items():
        values = sorted({one[path] for one in tried})
        if len(values) > 1 and rate in (values[0], values[-1]):
            return True
    return False


def rate_text(rates):
    return " / ".join(f"{rate:g}" for rate in rates.values())


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
    parser.add_argument("--device", nargs="+", default=["auto"])
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no run after this")
    parser.add_argument("--benchmark", nargs="*", help="gsm8k, arc, mmlu, winogrande; all by default")
    parser.add_argument("--method", nargs="*", help="names as in the table; all by default")
    parser.add_argument("--out", default="study")
    arguments = parser.parse_args()
    {"run": run, "table": table}[arguments.what](arguments)


if __name__ == "__main__":
    main()
