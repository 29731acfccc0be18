#!/usr/bin/env python3
"""What the methods do: rates chosen on the validation split, then five seeds on the test split.

    python3 benches/methods/study.py run --gosling target/release/gosling --device gpu --out study
    python3 benches/methods/study.py run --gpus 8 --guide rwkv7-guide-31m-f16.pth --budget 540 --out study
    python3 benches/methods/study.py run --rows question --gpus 1 --budget 3000 --models mini --out study
    python3 benches/methods/study.py plan --gpus 1 --jobs 5 --rows controls adapters --out study
    python3 benches/methods/study.py cost --device gpu --guide rwkv7-guide-31m-f16.pth --out study
    python3 benches/methods/study.py write --out study

`run` goes on where the journal in the output folder ends, and the most telling rows come first, so that it can
be stopped at any time; runs are done by processes of the program that stay, one on each GPU, so that kernels
are compiled once. A row that was begun is brought to its end, trials and seeds, before another one begins.
`plan` says what is left of every row and how long it takes by what was measured, and does nothing. Every method gets the same
number of rate trials on the validation split (seed 0), on a grid that grows while its best point lies at an edge; the best rates are used with seeds 0 to 4 on the test
split. `--rows question` is the comparison of a state with adapters and with examples in front: parameters, time,
memory, tokens, few examples, and what becomes of the benchmarks that were not tuned. `write` puts the tables between the
markers of RESULTS.md; `tables` prints them, and reads several journals as one. Needs Python 3.9 and nothing else.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[up]) for up in (0, 1)]

import forecast  # noqa: E402
import tables as written  # noqa: E402
from engine import Engine, RunJournal  # noqa: E402
from rows import BENCHMARKS, GROUPS, SETS, Model, Plan, Units, rows, wanted  # noqa: E402
from weights import joined  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]

# Name and arguments of what a step costs.
COSTS = [
    ("standard", []),
    ("lifted, Constant", ["--lifted", "256"]),
    ("lifted, Constant, sampled R", ["--lifted", "256", "--decorrelation", "sampled"]),
    ("lifted, Constant, full R", ["--lifted", "256", "--decorrelation", "full"]),
    ("lifted, Decayed, full R", ["--lifted", "256", "--dynamics", "decayed", "--decorrelation", "full"]),
    ("lifted, Recurrent, full R", ["--lifted", "256", "--dynamics", "recurrent", "--decorrelation", "full"]),
    ("paper-literal", ["--lifted", "256", "--dynamics", "paper-literal"]),
]


def ron_device(text):
    """A device as a specification has it."""
    if text.startswith("gpu:"):
        return f"GpuIndex({int(text[4:])})"
    return {"auto": "Auto", "cpu": "Cpu", "gpu": "Gpu"}[text]


def models(arguments):
    made = [Model("mini")] if "mini" in arguments.models else []
    if arguments.guide and "guide" in arguments.models:
        made.append(Model("guide", Path(arguments.guide).resolve()))
    if not made:
        raise SystemExit("no model: --models mini, or --guide FILE")
    return made


def units(arguments):
    groups, names = wanted(arguments.rows)
    known = {row.name for benchmark in arguments.benchmarks for row in rows(benchmark)}
    for name in names:
        if name not in known:
            raise SystemExit(f"--rows: {name!r} is none of {', '.join([*SETS, *GROUPS])}, nor of {'; '.join(sorted(known))}")
    return Units(Plan(arguments), models(arguments), arguments.benchmarks, groups, names)


def journals(arguments):
    files = [Path(out) / "journal.jsonl" for out in [arguments.out, *arguments.more]]
    return RunJournal(files)


def run(arguments):
    devices = [f"gpu:{idx}" for idx in range(arguments.gpus)] if arguments.gpus else [arguments.device]
    arguments.devices = [ron_device(device) for device in devices]
    arguments.gosling = str(Path(arguments.gosling).resolve())
    journal = journals(arguments)
    engine = Engine(arguments, journal, units(arguments), models(arguments))
    signal.signal(signal.SIGTERM, lambda *_: engine.stopping.set())
    is_done = engine.go()
    for message in sorted(set(engine.failed.values())):
        print(f"failed: {message}")
    print(f"{len(journal.entries)} runs in {journal.file}; {'all are done' if is_done else 'the same command goes on'}")


def plan(arguments):
    processes = (arguments.gpus or 1) * arguments.jobs
    print("\n".join(forecast.lines(units(arguments), journals(arguments), processes, arguments.jobs)))


def tables(arguments):
    journal = journals(arguments)
    made = written.Tables(units(arguments), journal)
    return written.results(made, written.cost_table(costs(arguments)))


def show(arguments):
    for block, text in tables(arguments).items():
        print(f"\n## {block}\n\n{text}")


def write(arguments):
    text = Path(arguments.results).read_text()
    for name, block in tables(arguments).items():
        # A block without figures leaves what stands there.
        text = written.put(text, name, block) if block else text
    Path(arguments.results).write_text(text)


def costs(arguments):
    entries = []
    for out in [arguments.out, *arguments.more]:
        file = Path(out) / "cost.jsonl"
        entries += [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    return entries


def cost(arguments):
    """Times steps of every method at every shape; those that are in cost.jsonl already are left out."""
    shapes = [("mini", ["--shape", "mini"], 32, 128), ("0.1B", ["--shape", "0.1b"], 8, 512)]
    if arguments.guide:
        shapes.insert(1, ("guide", ["--checkpoint", arguments.guide], 32, 128))
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    known = {(entry["method"], entry["shape"]) for entry in costs(arguments)}
    for shape, model, batch, tokens in shapes:
        for method, options in COSTS:
            if (method, shape) in known:
                continue
            left = arguments.started + (arguments.budget or float("inf")) - time.monotonic()
            if left < 30:
                print("no time is left; the same command goes on")
                return
            figures = out / "step.json"
            command = [arguments.gosling, "bench", "step", "--device", arguments.device, *model, *options]
            command += ["--batch", str(batch), "--tokens", str(tokens), "--json", str(figures)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=min(left, 300))
            except subprocess.TimeoutExpired:
                print(f"{shape}, {method}: no figure in time")
                continue
            if done.returncode != 0:
                print(f"{shape}, {method}: {done.stderr.strip()}")
                continue
            read = json.loads(figures.read_text())
            row = next(table for table in read["tables"] if table["title"] == "Steps")["rows"][0]
            entry = {"method": method, "shape": shape, "size": f"{shape} {batch} x {tokens}"}
            entry |= {"ms": row["median, ms"], "mb": row.get("most in use, MB"), "device": read.get("device", "")}
            with (out / "cost.jsonl").open("a") as file:
                file.write(json.dumps(entry) + "\n")
            figures.unlink()
            print(f"{shape}, {method}: {entry['ms']:.1f} ms a step", flush=True)


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "plan", "tables", "write", "cost"])
    parser.add_argument("--gosling", default="target/release/gosling")
    parser.add_argument("--out", default="study", help="the folder of the journal")
    parser.add_argument("--more", nargs="*", default=[], help="folders whose journals are read too")
    where = parser.add_argument_group("where")
    where.add_argument("--device", default="auto", help="auto, cpu, gpu or gpu:N")
    where.add_argument("--gpus", type=int, default=0, help="a process on each of gpu:0 to gpu:N-1")
    where.add_argument("--jobs", type=int, default=1, help="processes on each device")
    where.add_argument("--budget", type=float, help="seconds; no run begins that would not end within them")
    where.add_argument("--keep", action="store_true", help="leave the folders of the runs where they are")
    what = parser.add_argument_group("what")
    what.add_argument("--models", nargs="+", default=["mini", "guide"], choices=["mini", "guide"])
    what.add_argument("--guide", help="the file of the guide model, or the folder of its parts; without it the mini model alone")
    what.add_argument("--benchmarks", nargs="+", default=BENCHMARKS, choices=BENCHMARKS)
    what.add_argument(
        "--rows", nargs="+", default=[],
        help=f"groups ({', '.join(GROUPS)}), sets ({', '.join(SETS)}) or rows by their names; all by default",
    )
    what.add_argument("--trials", type=int, default=12, help="rate trials of every row")
    what.add_argument("--seeds", type=int, default=5)
    what.add_argument("--forgetting-seeds", type=int, default=3, help="seeds whose other benchmarks are scored")
    what.add_argument("--choose", choices=["accuracy", "loss"], default="accuracy", help="rates, on the validation split")
    what.add_argument("--winner", help="the row whose M and gamma are changed; the best lifted one by default")
    what.add_argument("--search-all", action="store_true", help="search rates also where a row takes those of another")
    what.add_argument("--steps", type=int, default=300)
    what.add_argument("--batch", type=int, default=32)
    what.add_argument("--validate-every", type=int, default=50)
    what.add_argument("--validation-limit", type=int, default=100, help="examples of a validation loss")
    what.add_argument("--trial-items", type=int, help="validation items that a trial is scored on; 0: the loss alone")
    what.add_argument("--items", type=int, help="test items; all by default")
    files = parser.add_argument_group("write")
    files.add_argument("--results", default=ROOT / "benches/RESULTS.md")
    arguments = parser.parse_args()
    arguments.started = time.monotonic()
    if arguments.guide:
        Path(arguments.out).mkdir(parents=True, exist_ok=True)
        arguments.guide = str(joined(arguments.guide, Path(arguments.out)))
    return arguments


def main():
    arguments = parsed()
    {"run": run, "plan": plan, "tables": show, "write": write, "cost": cost}[arguments.what](arguments)


if __name__ == "__main__":
    main()
