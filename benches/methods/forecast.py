"""What is left of a study, how long it takes by what was measured, and which run is next: a row that was begun is
brought to its end, trials and seeds, before another one begins."""

import re
import statistics

import search
from rows import Beside, TimedUnit, UntunedUnit

KIND = re.compile(r"method: (\w+)")


def is_begun(unit, journal):
    """Whether a run of the unit itself is in the journal."""
    if isinstance(unit, UntunedUnit):
        return any(run in journal for run in unit.runs(journal))
    if isinstance(unit, Beside):
        return unit.is_begun(journal)
    if unit.has_own_search():
        points = search.initial(unit.row.axes, unit.plan.options.trials)
        return any(unit.trial(point) in journal for point in points)
    return False


def next_run(units, journal, busy):
    """The next run that is neither done nor under way; None where there is none now."""
    left = [unit for unit in units.all(journal) if not getattr(unit, "is_done", False)]
    for unit in sorted(left, key=lambda unit: not is_begun(unit, journal)):
        for run in unit.next_runs(journal, units.by_key):
            if run.spec not in busy:
                return run
    return None


class Left:
    """What is left of a row: trials, runs on the test split, and seconds of each."""

    def __init__(self, unit, units, journal):
        self.is_untuned = isinstance(unit, UntunedUnit)
        self.model, self.benchmark = unit.model.name, unit.benchmark
        self.begun = is_begun(unit, journal)
        last, base = "test", None
        if self.is_untuned:
            self.row, self.group, method, last = "untuned", "untuned", "Base", "untuned"
            self.trials, self.tests = 0, of_untuned(unit, journal)
        elif isinstance(unit, Beside):
            self.row, self.group, method, last = unit.name, unit.group, unit.method, unit.group
            self.trials, self.tests = unit.n_left(journal, units.by_key)
        else:
            self.row, self.group, method, base = unit.row.name, unit.row.group, unit.row.method, unit.row.rates_of
            self.trials, self.tests = of_row(unit, units, journal)
        kind = re.match(r"\w+", method).group()
        self.secs, self.basis = 0.0, ""
        for part, n in [("trial", self.trials), (last, self.tests)]:
            if n:
                about = {"model": self.model, "benchmark": self.benchmark, "row": self.row, "part": part}
                each, basis = typical(journal, about, base, kind)
                self.secs += n * each
                self.basis = basis or self.basis


def typical(journal, about, base, kind):
    """The median seconds of the last runs that were most like such a one, and what is to be said of them. `base` is
    the row whose rates it takes, `kind` the name of its method."""
    model, benchmark, row, part = (about[name] for name in ("model", "benchmark", "row", "part"))

    def of(kind=None, **names):
        found = [
            entry["result"]["secs"]
            for entry in journal.entries.values()
            if all(entry["about"].get(name) == value for name, value in names.items())
            and (kind is None or KIND.search(entry["spec"]).group(1) == kind)
        ]
        return statistics.median(found[-8:]) if found else None

    for words, secs in [
        ("", lambda: of(model=model, benchmark=benchmark, row=row, part=part)),
        ("as its other runs", lambda: of(model=model, benchmark=benchmark, row=row)),
        ("as on other benchmarks", lambda: of(model=model, row=row)),
        (f"as {base}", lambda: of(model=model, benchmark=benchmark, row=base, part=part) if base else None),
        (f"as other rows, {kind}", lambda: of(kind, model=model, benchmark=benchmark)),
        (f"as other rows, {kind}", lambda: of(kind, model=model)),
        ("as other rows of the model", lambda: of(model=model)),
        ("as with another model", lambda: of(row=row)),
        (f"as other rows, {kind}, with another model", lambda: of(kind)),
    ]:
        if (found := secs()) is not None:
            return found, words
    return journal.UNKNOWN_SECS, "a guess"


def of_untuned(unit, journal):
    runs = unit.runs(journal)
    # The state after the examples, once they are known; MMLU has others for each subject.
    later = len(runs) == 1 and runs[0] not in journal and unit.benchmark != "mmlu"
    return sum(run not in journal for run in runs) + later


def of_row(unit, units, journal):
    """Trials, as many as there are at least, and seeds."""
    trials, options = 0, unit.plan.options
    if unit.has_own_search():
        scores, waiting = unit.scores(journal)
        trials = max(len(waiting), options.trials - len(scores)) if waiting else 0
        if not waiting and search.best_point(scores) is None:
            # There are no rates to go on with.
            return 0, 0
    rates = unit.rates(journal, units.by_key)
    return trials, sum(run not in journal for run in unit.tests(rates)) if rates else options.seeds


def bases_of(unit, units):
    """The rows whose searches a row needs."""
    if isinstance(unit, TimedUnit):
        return unit.searched_units(units.by_key)
    if unit.has_own_search():
        return []
    return [units.by_key[(unit.model.name, unit.benchmark, unit.row.rates_of)]]


def left_of(units, journal):
    """What is left of every row that is not complete, in the order in which it is done; rows in whose place others
    are searched bring these with them."""
    wanted = units.all(journal)
    known = {id(unit) for unit in wanted}
    for unit in list(wanted):
        if isinstance(unit, UntunedUnit):
            continue
        bases = unit.bases if isinstance(unit, Beside) else bases_of(unit, units)
        for base in bases:
            if id(base) not in known and base.scores(journal)[1]:
                known.add(id(base))
                # For its rates alone.
                wanted.append(base)
    found = []
    for unit in wanted:
        left = Left(unit, units, journal)
        if left.trials or left.tests:
            found.append(left)
    return sorted(found, key=lambda left: not left.begun)


def duration(secs):
    return f"{secs:.0f} s" if secs < 120 else f"{secs / 60:.0f} min"


def lines(units, journal, processes, on_one=1):
    """What is left, a line a row, and the sum; `processes` in all, `on_one` of them on each device."""
    left = left_of(units, journal)
    made, so_far = [], 0.0
    for row in left:
        so_far += row.secs / processes
        counts = [(row.trials, "trials"), (row.tests, "runs" if row.is_untuned else "seeds")]
        what = [f"{n} {kind}" for n, kind in counts if n]
        others = ", other benchmarks" if row.group == "forgetting" else ""
        name = f"{row.model}, {row.benchmark}, {row.row}{others}"
        basis = f" ({row.basis})" if row.basis else ""
        made.append(f"{name:<58} {' and '.join(what):<22} {duration(row.secs):>7} -> {duration(so_far):>7}{basis}")
    waiting = []
    if "sizes" in units.groups or not (units.groups or units.names):
        of_winners = [unit for unit in units.order if isinstance(unit, tuple)]
        waiting = [unit for unit in of_winners if units.winner(*unit, journal) is None]
    for model, benchmark in waiting:
        made.append(f"{model.name}, {benchmark}, sizes and gammas: once it is known which lifted row is best")
    if not left and not waiting:
        return ["nothing is left"]
    n_runs, secs = sum(row.trials + row.tests for row in left), sum(row.secs for row in left)
    made.append(
        f"{n_runs} runs are left, {duration(secs)} of a process; {duration(secs / processes)} with {processes} "
        f"process{'es' if processes > 1 else ''}, if a run takes as long as those that were measured"
    )
    then = sorted({entry["result"].get("processes") for entry in journal.entries.values()} - {None})
    if then and then != [on_one]:
        made.append(f"these had {', '.join(map(str, then))} processes on a device beside each other, and not {on_one}")
    return made
