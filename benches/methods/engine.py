"""Runs done by processes of the program that stay, and the journal of what came of them."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from forecast import next_run  # noqa: E402
from journal import Journal  # noqa: E402
from kept import Gone, Kept  # noqa: E402

# The benchmarks that a state is scored on, its own and the others.
BENCHMARKS = ["gsm8k", "arc", "mmlu", "winogrande"]
# No evaluation of one of them takes longer.
MOST_SECS_OF_EVAL = 600.0
# Seconds that a first run is taken for, with the start of its process, before any was timed.
UNKNOWN_SECS = 30.0


class RunJournal(Journal):
    """The results of runs by their specifications."""

    UNKNOWN_SECS = UNKNOWN_SECS

    def __init__(self, files):
        super().__init__(files, lambda entry: entry["spec"])

    def get(self, run):
        entry = self.entries.get(run.spec)
        return entry and entry["result"]

    def __contains__(self, run):
        return run.spec in self.entries

    def add(self, run, result):
        self.write({"about": run.about, "spec": run.spec, "result": result})

    def alike(self, about):
        """Seconds of the last runs that were most like this one, and by what: those of its row, else of its row on
        other benchmarks, else of its model, else of its row with another model."""
        for names in (["model", "benchmark", "row", "part"], ["model", "row"], ["model"], ["row"]):
            secs = [
                entry["result"]["secs"]
                for entry in list(self.entries.values())
                if all(entry["about"].get(name) == about.get(name) for name in names)
            ]
            if secs:
                return secs[-8:], names
        return [], []

    def secs(self, about):
        """How long such a run takes at most, as far as is known."""
        return max(self.alike(about)[0], default=UNKNOWN_SECS)


class Process:
    """A process of the program that does runs one after the other, its kernels compiled once."""

    def __init__(self, gosling, threads, log):
        self.kept = Kept([gosling, "serve-runs"], log, threads)

    def run(self, folder, deadline, stopping):
        """Does the run of a folder. Its failure, or None; raises TimeoutError at the deadline."""
        order = {"Run": {"folder": str(folder), "until": None}}
        try:
            return self.kept.ask(order, lambda said: "Over" in said, deadline, stopping)["Over"]["failure"]
        except Gone as gone:
            return {"kind": "Work", "message": str(gone)}

    def end(self):
        self.kept.end()


def outcome(folder):
    """What the files of a run say of it. Seconds and tokens to the best validation are those of the steps alone,
    without what was measured between them."""
    result = {"diverged": False, "validation_loss": None, "step_ms": None}
    secs, tokens = [], []
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        kind = record["kind"]
        if kind == "step":
            secs.append(record["secs"])
            tokens.append(record.get("tokens", 0))
        elif kind == "costs":
            result["trained"], result["memory"] = record["trained"], record["memory"]
        elif kind == "validation":
            if record["best"] and isinstance(record["loss"], float):
                result["validation_loss"] = record["loss"]
                result["best_step"] = record["step"]
        elif kind == "evaluation":
            add_evaluation(result, record["phase"], record["summary"])
        elif kind == "end":
            result["diverged"] = "Diverged" in str(record["outcome"])
    if secs:
        result["step_ms"] = round(1000 * statistics.median(secs), 3)
    if best := result.get("best_step"):
        result["best_secs"], result["best_tokens"] = round(sum(secs[:best]), 3), sum(tokens[:best])
    return result


def add_evaluation(result, phase, summary):
    score = summary["scores"][0]
    of = {"right": score["n_correct"], "n": score["n_items"], "eval_secs": round(summary["secs"], 2)}
    if written := summary.get("written"):
        of["cap"] = written["max_new_tokens"]
        of["ended"] = written["n_ended"] / written["n_items"]
        of["extracted"] = written["n_extracted"] / written["n_items"]
    result.update(of if phase == "After" else {phase: of})


def items(file):
    """Which items of an evaluation are right, as ones and zeros; the steps of each; the first prompt."""
    lines = file.read_text().splitlines()[1:]
    records = [json.loads(line) for line in lines]
    right = "".join("1" if record["correct"] else "0" for record in records)
    steps = "".join(str(min(record.get("n_steps") or 0, 9)) for record in records)
    return right, steps, records[0]["prompt"]


def whole_result(run, folder):
    """What the journal keeps of a run."""
    result = outcome(folder)
    part, evaluations = run.about["part"], folder / "eval"
    if part == "test" and (evaluations / "after.jsonl").is_file():
        result["items"], result["steps"], _ = items(evaluations / "after.jsonl")
    if part in ("untuned", "context"):
        before, few_shot = evaluations / "before.jsonl", evaluations / "few_shot.jsonl"
        right, result["steps"], question = items(before)
        result["Before"]["items"] = right
        result["FewShot"]["items"], _, prompt = items(few_shot)
        # What stands in front of the question; MMLU has other examples for each subject.
        if prompt.endswith(question) and run.about["benchmark"] != "mmlu":
            result["examples"] = prompt[: -len(question)]
    return result


def cli_device(ron):
    """A device of a specification as the command line has it."""
    return f"gpu:{ron[9:-1]}" if ron.startswith("GpuIndex(") else ron.lower()


def others(options, run, folder, device, deadline):
    """How many questions of the benchmarks that were not tuned the state of a run answers. Raises OSError where the
    program could not say, and TimeoutError at the deadline."""
    scored = {}
    for benchmark in BENCHMARKS:
        if benchmark == run.about["benchmark"]:
            continue
        file = folder / f"{benchmark}.jsonl"
        command = [options.gosling, "eval", benchmark, "--state", str(folder), "--device", cli_device(device)]
        command += ["--out", str(file)] + (["--limit", str(options.items)] if options.items else [])
        try:
            left = max(0.1, min(deadline - time.monotonic(), MOST_SECS_OF_EVAL))
            done = subprocess.run(command, capture_output=True, text=True, timeout=left)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error
        if done.returncode != 0:
            raise OSError(f"{benchmark}: {done.stderr.strip()}")
        right, _, _ = items(file)
        scored[benchmark] = right
    return scored


class Engine:
    """Workers, each with a process on a device of its own."""

    def __init__(self, options, journal, units, models):
        if not Path(options.gosling).is_file():
            raise SystemExit(f"--gosling: there is no program {options.gosling}")
        self.options, self.journal, self.units = options, journal, units
        self.models = {model.name: model for model in models}
        self.lock, self.changed = threading.Lock(), threading.Condition()
        self.busy, self.failed, self.number = set(), {}, 0
        self.stopping = threading.Event()
        self.deadline = options.started + (options.budget or float("inf"))
        self.scratch = Path(options.out) / "runs"
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        self.n_workers = len(options.devices) * options.jobs

    def go(self):
        """Does what there is to do; whether all of it is done."""
        workers = [
            threading.Thread(target=self.work, args=(device, number))
            for number in range(self.options.jobs)
            for device in self.options.devices
        ]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                while worker.is_alive():
                    worker.join(0.5)
        except KeyboardInterrupt:
            print("stopping; what is done is in the journal", flush=True)
            self.stopping.set()
            for worker in workers:
                worker.join()
        shutil.rmtree(self.scratch, ignore_errors=True)
        with self.changed:
            return next_run(self.units, self.journal, set(self.failed)) is None

    def left(self):
        return self.deadline - time.monotonic()

    def take(self):
        """The next run; None when there is none, or no time for it."""
        with self.changed:
            while not self.stopping.is_set():
                run = next_run(self.units, self.journal, self.busy | set(self.failed))
                if run is not None:
                    if self.journal.secs(run.about) * 1.1 > self.left():
                        return None
                    self.busy.add(run.spec)
                    self.number += 1
                    return run, self.number
                if not self.busy:
                    return None
                # The next depends on those under way.
                self.changed.wait(1.0)
            return None

    def work(self, device, number):
        process = None
        threads = max(1, (os.cpu_count() or 1) // self.n_workers)
        while taken := self.take():
            run, count = taken
            folder = self.scratch / f"run-{count:05}"
            folder.mkdir()
            (folder / "spec.ron").write_text(run.file(f"run-{count:05}", device, self.models))
            start, failure = time.monotonic(), None
            try:
                for is_last in (False, True):
                    if process is None:
                        log = Path(self.options.out) / f"process-{device.replace('(', '-').rstrip(')')}-{number}.txt"
                        process = Process(self.options.gosling, threads, log)
                    start = time.monotonic()
                    failure = process.run(folder, self.deadline, self.stopping)
                    if failure is None or failure["kind"] == "Input":
                        break
                    # It may have left the device in any state.
                    process.end()
                    process = None
                    if not is_last:
                        self.say(run, f"once more, {failure['message']}")
                if failure is None and run.about["part"] == "forgetting":
                    self.conclude_others(run, folder, device, start)
                else:
                    self.conclude(run, folder, failure, time.monotonic() - start)
            except TimeoutError:
                self.free(run)
                break
            if not self.options.keep:
                shutil.rmtree(folder, ignore_errors=True)
        if process is not None:
            process.end()

    def conclude_others(self, run, folder, device, start):
        more, failure = {}, None
        try:
            more = {"others": others(self.options, run, folder, device, self.deadline)}
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            failure = {"kind": "Work", "message": str(error)}
        self.conclude(run, folder, failure, time.monotonic() - start, more)

    def conclude(self, run, folder, failure, secs, more=None):
        try:
            result = None if failure else whole_result(run, folder) | (more or {})
        except (OSError, ValueError, KeyError, IndexError) as error:
            failure = {"kind": "Work", "message": f"its files cannot be read, {error!r}"}
        if failure is None:
            result |= {"secs": round(secs, 2), "processes": self.options.jobs}
            self.journal.add(run, result)
            self.say(run, described(result))
        else:
            self.failed[run.spec] = failure["message"]
            self.say(run, f"failed, {failure['message']}")
        self.free(run)

    def free(self, run):
        with self.changed:
            self.busy.discard(run.spec)
            self.changed.notify_all()

    def say(self, run, words):
        about = run.about
        rates = ", ".join(f"{name} {value:g}" for name, value in about.get("rates", {}).items())
        seed = f", seed {about['seed']}" if about["part"] in ("test", "forgetting") else ""
        left = f" ({self.left():.0f} s left)" if self.options.budget else ""
        what = f"{about['model']}, {about['benchmark']}, {about['row']}, {about['part']}{seed}"
        with self.lock:
            print(f"{what}{', ' if rates else ''}{rates}: {words}{left}", flush=True)


def described(result):
    words = []
    if result["diverged"]:
        words.append("diverged")
    if result["validation_loss"] is not None:
        words.append(f"validation loss {result['validation_loss']:.4f}")
    for phase, name in [("Before", "untuned "), ("FewShot", "with examples ")]:
        if of := result.get(phase):
            words.append(f"{name}{of['right']} of {of['n']}")
    if "right" in result:
        words.append(f"{result['right']} of {result['n']}")
    for benchmark, right in result.get("others", {}).items():
        words.append(f"{benchmark} {right.count('1')} of {len(right)}")
    words.append(f"{result['secs']:.1f} s")
    return ", ".join(words)
