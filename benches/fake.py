"""A program that speaks as `gosling serve-runs`, `tune --many -` and `adapt --many -` do, for tests of the studies.
It computes nothing: what it finds follows from the settings that it is given."""

import sys
from pathlib import Path

PROGRAM = r'''#!{python}
import json, os, re, sys, time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PART = {{"state": None}}


def note(name, line):
    with (HERE / name).open("a") as out:
        out.write(str(line) + "\n")


def say(**line):
    print(json.dumps(line), flush=True)


def trouble():
    """What is to go wrong with this request, once: the first line of the file `trouble` that has its number."""
    number = len((HERE / "requests").read_text().splitlines())
    file = HERE / "trouble"
    lines = file.read_text().splitlines() if file.is_file() else []
    for line in lines:
        if line.split()[0] == str(number):
            return line.split()[1]
    return None


def records(folder, rate):
    # Best at a rate of 0.8.
    right = max(0, 9 - round(4 * abs(rate - 0.8)))
    summary = {{"scores": [{{"name": "strict", "n_correct": right, "n_items": 10}}], "secs": 0.1}}
    lines = [
        {{"kind": "step", "step": 1, "secs": 0.01}},
        {{"kind": "validation", "step": 1, "loss": 1.0 + abs(rate - 0.8), "best": True}},
        {{"kind": "evaluation", "phase": "After", "summary": summary}},
        {{"kind": "end", "outcome": "Finished"}},
    ]
    (folder / "eval").mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return items(folder / "eval/after.jsonl", right)


def items(file, right):
    lines = [{{"head": True}}]
    for idx in range(10):
        lines.append({{"id": idx, "correct": idx < right, "prompt": "Question: x", "n_steps": 2, "answer": {{"strict": {{"ended": True}}}}}})
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def served(order):
    folder = Path(order["Run"]["folder"])
    spec = (folder / "spec.ron").read_text()
    records(folder, float(re.search(r"learning_rate: ([0-9.e-]+), warmup", spec).group(1)))
    say(Event={{"Paused": {{"run": "x", "step": 1}}}})
    say(Over={{"failure": None}})


def tuned(one):
    fields = dict(of.split("=", 1) for of in one["set"])
    folder = Path(one["runs"]) / "standard-0001"
    rate = float(fields["training.learning_rate"])
    if rate > 100:
        return say(status="failed", error="training.learning_rate: must be at most 100", folder=None, scored=[])
    records(folder, rate)
    scored = [{{"benchmark": of, "file": str(items(folder / f"eval/{{of}}-test.jsonl", 7))}} for of in one["score"]]
    say(status="finished", error=None, folder=str(folder), scored=scored)


def adapted(one):
    fields = dict(of.split("=", 1) for of in one["set"])
    folder = Path(one["out"])
    folder.mkdir(parents=True, exist_ok=True)
    right = "1" * (9 - round(10 * abs(float(fields["update.learning_rate"]) - 0.4)))
    outcome = {{"kind": "Adapted", "name": "x", "right": right.ljust(10, "0"), "cost": {{"forward": 9, "trained": 1}}}}
    (folder / "results.jsonl").write_text(json.dumps(outcome) + "\n")
    say(out=one["out"], error=None)


note("processes", os.getpid())
work = {{"serve-runs": served, "tune": tuned, "adapt": adapted}}[sys.argv[1]]
print("a driver says something", flush=True)
for line in sys.stdin:
    request = json.loads(line)
    note("requests", json.dumps(request))
    what = trouble()
    if what == "dies":
        os._exit(9)
    if what == "hangs":
        time.sleep(100)
    if what == "fails":
        say(Over={{"failure": {{"kind": "Work", "message": "the GPU was lost"}}}})
        continue
    work(request)
'''


class Fake:
    """The program in a folder; it notes the processes that were started and the requests that they had."""

    def __init__(self, folder, trouble=()):
        self.folder = Path(folder)
        self.program = self.folder / "gosling"
        self.program.write_text(PROGRAM.format(python=sys.executable))
        self.program.chmod(0o755)
        # Numbers of requests, and what goes wrong with them: dies, hangs, fails.
        (self.folder / "trouble").write_text("".join(f"{number} {what}\n" for number, what in trouble))

    def lines(self, name):
        file = self.folder / name
        return file.read_text().splitlines() if file.is_file() else []

    def n_processes(self):
        return len(self.lines("processes"))

    def n_requests(self):
        return len(self.lines("requests"))
