#!/usr/bin/env python3
"""What test-time adaptation does: rates and steps chosen on the validation split, then seeds on the test split.

    python3 benches/adapt/study.py run --gosling target/release/gosling --device gpu --budget 540 --out study
    python3 benches/adapt/study.py plan --guide guide --guided --out study
    python3 benches/adapt/study.py run --guide guide --guided --budget 1500 --out study
    python3 benches/adapt/study.py write --out study

`run` goes on where the journal in the output folder ends, and the most telling rows come first, so that it can
be stopped at any time; processes of the program stay and do one adaptation after the other (`--jobs` of them on each
device), so that kernels are compiled and models read once, and what each found is in the journal when it ends. A row is tried at several rates on the validation split (seed 0); that with the best accuracy is
used on the test split with every seed, beside all baselines of its kind. No label of the test split chooses
anything. Where the rate does not depend on how many steps are to come, the validation split chooses the number of
steps too, from one run that is scored on its way. `--guide` names the weights of a larger model with the mini
vocabulary, or the folder of their parts (*.part0, *.part1 ...), which are joined. Rows with a guide stand in a table
of their own, with what the guide itself is worth and what its answers are worth as votes; rows with a simulated
guide are named so and stand in a third. `plan` says what would be done and does nothing, `tables` prints the
tables, `write` puts them between the markers of benches/RESULTS.md. Needs Python 3.9 and nothing else.
"""

import argparse
import signal
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[up]) for up in (0, 1)]

from study_rows import rows  # noqa: E402
from study_tables import tables  # noqa: E402
from units import Unit, UnitJournal, chosen, secs_of  # noqa: E402
from weights import joined  # noqa: E402
from workers import Workers  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- adaptation: begin -->", "<!-- adaptation: end -->"


def wanted_rows(arguments):
    return [row for row in rows(arguments) if not arguments.rows or any(of in row.name for of in arguments.rows)]


def plan(arguments):
    """What would be done, in its order: adaptations on the validation split, and on the test split."""
    journal = UnitJournal(arguments.out)
    total, secs, is_known = 0, 0.0, True
    for row in wanted_rows(arguments):
        seeds = row.seeds or arguments.seeds
        trials = [Unit(row, rate, 0, True, arguments, {}) for rate in row.rates] if row.is_chosen else []
        n_left = sum(unit.key not in journal.entries for unit in trials)
        found = chosen(row, arguments, {}, journal)
        units = [Unit(row, found[0], seed, False, arguments, {}, found[1]) for seed in seeds] if found else []
        n_test = sum(unit.key not in journal.entries for unit in units) if found else len(seeds)
        total += n_left + n_test
        for n, is_trial in [(n_left, True), (n_test, False)]:
            each = secs_of(journal, row, is_trial)
            is_known &= n == 0 or each is not None
            secs += n * (each or 0.0)
        steps = f", steps {row.steps}" if row.steps else ""
        print(f"{row.weight}  {row.name}: rates {row.rates}{steps}; {n_left} trials and {n_test} on test are left")
    n = (arguments.gpus or 1) * arguments.jobs
    time_left = f", about {secs / n / 60:.0f} min with {n} processes by those that were timed" if total and is_known else ""
    print(f"{total} adaptations are left{time_left}")


def run(arguments):
    arguments.out.mkdir(parents=True, exist_ok=True)
    journal, wanted = UnitJournal(arguments.out), wanted_rows(arguments)
    if arguments.guide:
        arguments.guide_file = joined(arguments.guide, arguments.out)
    workers = Workers(arguments, journal, wanted)
    signal.signal(signal.SIGTERM, lambda *_: workers.stopping.set())
    is_done = workers.go()
    for message in sorted(set(workers.failed.values())):
        print(f"failed: {message}", file=sys.stderr)
    print("all is done" if is_done else "the same command goes on", file=sys.stderr)


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
    parser.add_argument("--jobs", type=int, default=1, help="processes on each device")
    parser.add_argument("--guide", help="the weights of a larger model with the mini vocabulary, or the folder of their parts")
    parser.add_argument("--guided", action="store_true", help="only rows with a guide")
    parser.add_argument("--budget", type=float, help="seconds")
    parser.add_argument("--rows", nargs="*", help="only rows whose names have one of these texts")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--items", type=int, help="the first so many test questions only")
    parser.add_argument("--trial-items", type=int, help="the same of the validation split")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out, arguments.started = arguments.out.resolve(), time.monotonic()
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
