#!/usr/bin/env python3
"""Three comparisons of how a state is tuned, each over seeds and scored on the whole test split.

    python3 benches/chats/study.py small --gosling target/release/gosling --device gpu --out small
    python3 benches/chats/study.py own   --gosling target/release/gosling --device gpu --out own
    python3 benches/chats/study.py shift --gosling target/release/gosling --device cpu --out shift

`small`: sets of 16 and 48 examples of arc-mini and gsm8k-mini; the number of steps by cross-validation (what
`data.held_out: Auto` does) against fixed recipes (so many steps on the whole set, the last state).
`own`: the model's own right answers against the given ones, at equal steps: to the questions that it solved, and
to all. The untuned mini model writes no right answer of gsm8k-mini, so there a state that was tuned for
`--brief` steps on given answers writes them; every compared state starts from zero.
`shift`: S_0 alone against S_0 and the token shifts, the preset `cpu` on gsm8k-mini.

One process of the program tunes and scores run after run (`gosling tune --many -`). The same command goes on where
it was ended: what is measured stands in `OUT/journal.jsonl`. The last lines are the table, for RESULTS.md. Needs Python 3.9 and nothing else.
"""

import argparse
import json
import math
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "benches/methods"), str(ROOT / "benches")]

from journal import Journal  # noqa: E402
from kept import Gone, Kept  # noqa: E402
from leading_token import RATES, figures  # noqa: E402
from tables import of_shares  # noqa: E402


def given(benchmark):
    """Prompts and given answers of the training split, as the mini protocol has them."""
    made = []
    lines = (ROOT / f"assets/mini/bench/{benchmark}/train.jsonl").read_text().splitlines()
    for number, line in enumerate(lines, 1):
        item = json.loads(line)
        # As the program names the items.
        if benchmark == "gsm8k":
            name, question, answer = f"train/{number}", item["question"], item["answer"]
        else:
            choices = item["question"]["choices"]
            name, question = item["id"], item["question"]["stem"]
            answer = next(choice["text"] for choice in choices if choice["label"] == item["answerKey"])
        made.append({"id": name, "prompt": f"Question: {question}\nAnswer:", "completion": f" {answer}\n\n"})
    return made


def write_lines(path, lines):
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


class Study:
    def __init__(self, options):
        self.options, self.out = options, Path(options.out).resolve()
        self.journal = Journal([self.out / "journal.jsonl"], self.key)
        self.started, self.slowest, self.failed = time.monotonic(), 30.0, []
        self.deadline = self.started + (options.budget or math.inf)
        # A process that stays and tunes and scores, and the files of what it scored by the folders of the runs.
        self.kept, self.scored = None, {}

    @staticmethod
    def key(entry):
        return (entry["benchmark"], entry["row"], entry["seed"])

    def gosling(self, *arguments):
        command = [self.options.gosling, *map(str, arguments)]
        made = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if made.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {made.stderr.strip()[-400:]}")
        return made.stdout

    def tune(self, name, preset, fields, score=None):
        """The folder of a run with these fields, its state scored on the benchmark `score`."""
        runs = self.out / "runs" / name
        shutil.rmtree(runs, ignore_errors=True)
        quiet = {
            "evaluation.before": "false",
            "evaluation.few_shot": 0,
            "evaluation.after": "false",
            "intervals.checkpoint": 0,
            "intervals.snapshot": 0,
        }
        request = {
            "preset": preset,
            "set": [f"{path}={value}" for path, value in (quiet | fields).items()],
            "runs": str(runs),
            "score": [score] if score else [],
        }
        if self.kept is None:
            command = [self.options.gosling, "tune", "--many", "-", "--quiet", "--device", self.options.device]
            self.kept = Kept(command, self.out / "process.log")
        try:
            # It says nothing until the run is over, however long it takes.
            answer = self.kept.ask(request, lambda said: "status" in said, self.deadline, silence=math.inf)
        except Gone as gone:
            self.kept.end()
            self.kept = None
            raise RuntimeError(f"{name}: {gone}") from gone
        if answer["error"] is not None or answer["status"] != "finished":
            raise RuntimeError(f"{name}: {answer['status']}, {answer['error']}")
        folder = Path(answer["folder"])
        if score:
            self.scored[folder] = Path(answer["scored"][0]["file"])
        return folder

    def score(self, folder):
        return figures(self.scored[folder])

    def fields(self, benchmark, seed, **changes):
        rate = self.options.rate or RATES[benchmark]
        return {"training.learning_rate": rate, "training.seed": seed} | changes

    def on_file(self, name, file, fields, score):
        fields = {"data.source": f"Jsonl(train: {json.dumps(str(file), ensure_ascii=False)}, template: Plain)"} | fields
        return self.tune(name, "standard", fields, score)

    # Each gives the rows, and how one of them is made.

    def small(self):
        fixed = [f"{steps} steps, fixed" for steps in self.options.fixed]
        rows = [f"{n}: {way}" for n in self.options.sizes for way in ("cross-validated", *fixed)]
        return ["arc", "gsm8k"], rows

    def make_small(self, benchmark, row, seed):
        n, way = row.split(": ")
        n = int(n)
        file = self.out / f"{benchmark}-{n}-{seed}.jsonl"
        write_lines(file, random.Random(seed).sample(given(benchmark), n))
        if way == "cross-validated":
            steps = self.options.steps or 200
            fields = {"training.steps": steps, "training.validate_every": max(1, steps // 20)}
        else:
            steps = int(way.split()[0])
            fields = {
                "training.steps": steps,
                "training.validate_every": 0,
                "training.select_by": "LastStep",
                "data.held_out": "None",
            }
        fields |= {"training.batch": min(n, 16), "training.warmup_steps": min(5, steps - 1)}
        folder = self.on_file(f"{benchmark}-{n}-{way[:5]}-{seed}", file, self.fields(benchmark, seed, **fields), benchmark)
        return {"steps": last_step(folder)} | self.score(folder)

    def own(self):
        return ["arc", "gsm8k"], ["who answered", "own answers", "given answers, same questions", "all given answers"]

    def answering(self, benchmark, seed):
        """The state that answers, none for the untuned model, and its answers."""
        brief = None
        if benchmark == "gsm8k":
            fields = {
                "training.steps": self.options.brief,
                "training.warmup_steps": min(10, self.options.brief - 1),
                "training.validate_every": 0,
                "training.select_by": "LastStep",
                "data.source": "Mini(gsm8k)",
            }
            fields = self.fields(benchmark, seed, **fields)
            brief = self.tune(f"brief-{seed}", "standard", fields, benchmark)
        file = self.out / f"own-{benchmark}-{seed}.jsonl"
        state = ["--state", brief] if brief else []
        limit = ["--limit", self.options.questions] if self.options.questions else []
        self.gosling(
            "sample-data", benchmark, "-o", file, "--device", self.options.device, "--samples", self.options.samples,
            "--keep", 1, "--temperature", self.options.temperature, "--seed", seed, "--restart", "--quiet", *state, *limit,
        )
        return brief, file

    def make_own(self, benchmark, row, seed):
        options = self.options
        known = self.out / f"own-{benchmark}-{seed}.jsonl"
        if row == "who answered":
            brief, file = self.answering(benchmark, seed)
            counts = json.loads(Path(f"{file}.json").read_text())["counts"]
            return {"counts": counts} | (self.score(brief) if brief else {"right": None, "n": None})
        if not known.is_file():
            self.answering(benchmark, seed)
        solved = [json.loads(line) for line in known.read_text().splitlines()]
        if row == "own answers":
            lines = solved
        else:
            all_given = given(benchmark)
            names = {line["id"] for line in solved}
            is_same = row.endswith("same questions")
            lines = [line for line in all_given if not is_same or line["id"] in names]
        file = self.out / f"{benchmark}-{row.replace(', ', '-').replace(' ', '-')}-{seed}.jsonl"
        write_lines(file, lines)
        steps = options.steps or 300
        fields = {"training.steps": steps, "training.warmup_steps": min(10, steps - 1), "training.batch": 32}
        folder = self.on_file(f"{benchmark}-{row[:5]}-{seed}", file, self.fields(benchmark, seed, **fields), benchmark)
        return {"examples": len(lines)} | self.score(folder)

    def shift(self):
        return ["gsm8k"], ["S0", *(f"S0AndShift, rate {rate:g}" for rate in self.options.shift_rates)]

    def make_shift(self, benchmark, row, seed):
        part, *rate = row.split(", rate ")
        fields = {"training.seed": seed, "method.tune": part}
        fields |= {"method.learning_rate_shift": rate[0]} if rate else {}
        fields |= {"training.steps": self.options.steps} if self.options.steps else {}
        folder = self.tune(f"{part}-{'-'.join(rate)}-{seed}".lower(), "cpu", fields, benchmark)
        return {"loss": best_loss(folder)} | self.score(folder)

    def go(self):
        options = self.options
        benchmarks, rows = getattr(self, options.what)()
        benchmarks = [benchmark for benchmark in benchmarks if benchmark in options.benchmarks]
        wanted = [(b, row, s) for s in range(options.seeds) for b in benchmarks for row in rows]
        for benchmark, row, seed in [key for key in wanted if key not in self.journal.entries]:
            if self.deadline - time.monotonic() < 1.2 * self.slowest:
                break
            began = time.monotonic()
            try:
                made = getattr(self, f"make_{options.what}")(benchmark, row, seed)
            except TimeoutError:
                break
            except (RuntimeError, OSError, ValueError, LookupError) as error:
                self.failed.append(str(error))
                print(f"failed: {error}", flush=True)
                continue
            entry = {"benchmark": benchmark, "row": row, "seed": seed} | made
            entry["secs"] = round(time.monotonic() - began, 1)
            self.slowest = max(self.slowest, entry["secs"])
            self.journal.write(entry)
            print(json.dumps(entry), flush=True)
        if self.kept:
            self.kept.end()
        print(table(self.journal.entries.values(), benchmarks, rows, options.seeds))
        for message in sorted(set(self.failed)):
            print(f"failed: {message}")


def records(folder, kind):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]


def last_step(folder):
    return max((record["step"] for record in records(folder, "step")), default=0)


def best_loss(folder):
    losses = [record["loss"] for record in records(folder, "validation") if isinstance(record["loss"], float)]
    return min(losses, default=None)


def table(entries, benchmarks, rows, seeds):
    """Accuracy with its spread over seeds; numbers of seeds that are missing are told."""

    def cell(benchmark, row):
        found = [e for e in entries if (e["benchmark"], e["row"]) == (benchmark, row)]
        shares = [e["right"] / e["n"] for e in found if e.get("n")]
        text = of_shares(shares) if shares else ""
        for name in ("steps", "examples"):
            if numbers := [e[name] for e in found if name in e]:
                text += f" ({name} {', '.join(map(str, numbers))})"
        if shares and len(shares) != seeds:
            text += f" ({len(shares)} seed{'s' if len(shares) > 1 else ''})"
        return text

    lines = [f"| | {' | '.join(b + '-mini' for b in benchmarks)} |", "|---" * (1 + len(benchmarks)) + "|"]
    lines += [f"| {row} | {' | '.join(cell(b, row) for b in benchmarks)} |" for row in rows]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=["small", "own", "shift"])
    parser.add_argument("--gosling", default="target/release/gosling")
    parser.add_argument("--out", required=True, help="the folder of the journal")
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu or gpu:N")
    parser.add_argument("--budget", type=float, help="seconds; no run begins that would not end within them")
    parser.add_argument("--benchmarks", nargs="+", default=["arc", "gsm8k"], choices=["arc", "gsm8k"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="of every run; at most so many where they are cross-validated")
    parser.add_argument("--rate", type=float, help="one rate for all; by default those that validation prefers")
    parser.add_argument("--sizes", nargs="+", type=int, default=[16, 48], help="small: examples of a set")
    parser.add_argument("--fixed", nargs="+", type=int, default=[20, 60], help="small: steps of the fixed recipes")
    parser.add_argument("--brief", type=int, default=40, help="own: steps of the state that answers gsm8k-mini")
    parser.add_argument("--samples", type=int, default=8, help="own: answers of a question")
    parser.add_argument("--questions", type=int, help="own: ask the first so many questions only")
    parser.add_argument("--temperature", type=float, default=0.8, help="own: of the answers")
    parser.add_argument("--shift-rates", nargs="+", type=float, default=[0.03], help="shift: rates of the token shifts")
    Study(parser.parse_args()).go()


if __name__ == "__main__":
    main()
