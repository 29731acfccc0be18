"""The tables of RESULTS.md, from the journal."""

import math
import random
import statistics

import search
from rows import BENCHMARKS, ContextUnit, ForgettingUnit, Plan, Unit, UntunedUnit

# Draws of a bootstrap.
N_DRAWS = 4000
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


def crossed(first, second, seed=0):
    """The 95% interval of the mean of `second` less that of `first`, lists of runs of which each is a text of
    ones and zeros, one an item: the percentiles of draws of the runs of either side and of the items that
    they have in common. `first` may be empty: the interval of a mean."""
    drawn, n_items = random.Random(seed), len(second[0])
    sides = [(sign, [[int(right) for right in run] for run in runs]) for sign, runs in ((-1, first), (1, second))]
    differences = []
    for _ in range(N_DRAWS):
        of_items = [0.0] * n_items
        for sign, runs in sides:
            if runs:
                chosen = drawn.choices(runs, k=len(runs))
                weight = sign / len(runs)
                of_items = [sum_ + weight * right for sum_, right in zip(of_items, map(sum, zip(*chosen)))]
        differences.append(sum(drawn.choices(of_items, k=n_items)) / n_items)
    differences.sort()
    return tuple(differences[round(share * (N_DRAWS - 1))] for share in (0.025, 0.975))


def mcnemar(fixed, broken):
    """The two-sided p-value of McNemar's exact test."""
    n, fewer = fixed + broken, min(fixed, broken)
    return min(1.0, 2.0 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n)


def pooled(first, second):
    """Fixed and broken items of the pairs of runs."""
    pairs = [(a, b) for one, other in zip(first, second) for a, b in zip(one, other)]
    return pairs.count(("0", "1")), pairs.count(("1", "0"))


def wilson(right, n):
    z, p = 1.959964, right / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def share(run):
    return run.count("1") / len(run)


def of_seeds(runs):
    """A mean over seeds with Student's 95% interval."""
    return of_shares([share(run) for run in runs])


def of_shares(shares):
    """A mean with Student's 95% interval."""
    mean = statistics.mean(shares)
    if len(shares) < 2:
        return f"{mean:.3f}"
    half = T_95.get(len(shares), 1.96) * statistics.stdev(shares) / math.sqrt(len(shares))
    return f"{mean:.3f} ± {half:.3f}"


def probability(p):
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


class Found:
    """What the journal has of a row."""

    def __init__(self, unit, journal, units):
        self.name, self.unit = unit.row.name, unit
        self.rates = unit.rates(journal, units)
        results = [journal.get(run) for run in unit.tests(self.rates)] if self.rates else []
        self.results = [result for result in results if result and "items" in result]
        self.runs = [result["items"] for result in self.results]
        self.scores, self.waiting = unit.scores(journal) if unit.has_own_search() else ({}, [])

    def is_known(self):
        return bool(self.runs) or bool(self.scores)

    def trials(self):
        """How many rates were tried, and what is to be said of them."""
        if not self.unit.has_own_search():
            return f"none, those of {self.unit.row.rates_of}"
        n, usual = len(self.scores), self.unit.plan.options.trials
        marks = []
        if self.waiting:
            marks.append("not complete")
        elif n < usual:
            marks.append(f"fewer than {usual}")
        if search.is_at_edge(self.scores):
            marks.append("best at an edge")
        return f"{n}{' (' + ', '.join(marks) + ')' if marks else ''}"

    def rate_words(self):
        if not self.rates:
            return "-"
        return ", ".join(f"{name} {value:g}" for name, value in self.rates.items())

    def mean_of(self, name, digits=3):
        values = [result[name] for result in self.results if result.get(name) is not None]
        return f"{statistics.mean(values):.{digits}f}" if values else "-"


class Tables:
    def __init__(self, units, journal):
        self.units, self.journal = units, journal
        self.found, self.untuned, self.context, self.forgetting = {}, {}, {}, {}
        for unit in units.all(journal):
            place = (unit.model.name, unit.benchmark)
            if isinstance(unit, UntunedUnit):
                self.untuned[place] = unit
            elif isinstance(unit, ContextUnit):
                self.context[place] = unit
            elif isinstance(unit, ForgettingUnit):
                self.forgetting[(*place, unit.name)] = unit
            else:
                found = Found(unit, journal, units.by_key)
                if found.is_known():
                    self.found.setdefault((unit.model.name, unit.benchmark), []).append(found)
        self.cached = {}

    def crossed(self, first, second):
        key = (tuple(first), tuple(second))
        if key not in self.cached:
            self.cached[key] = crossed(first, second)
        return self.cached[key]

    def places(self):
        places = [(m.name, b) for b in BENCHMARKS for m in self.units.models]
        return [place for place in places if place in self.found or self.untuned_lines(place)]

    def standard(self, place):
        return next((found for found in self.found.get(place, []) if found.name == "standard" and found.runs), None)

    def untuned_lines(self, place):
        """Names, items and shares of the untuned model's rows."""
        unit = self.untuned.get(place)
        results = [self.journal.get(run) for run in unit.runs(self.journal)] if unit else []
        lines = []
        if results and results[0]:
            lines = [("untuned", results[0]["Before"]), ("untuned, 5 examples in front", results[0]["FewShot"])]
        if len(results) > 1 and results[1] and "items" in results[1]:
            lines.append(("the state after the examples", results[1]))
        return lines

    def difference(self, found, base):
        """The difference to standard tuning, its interval, and p of the pooled items."""
        if base is None or found is base or not found.runs:
            return "-", "-"
        low, high = self.crossed(base.runs, found.runs)
        mean = statistics.mean(map(share, found.runs)) - statistics.mean(map(share, base.runs))
        fixed, broken = pooled(base.runs, found.runs)
        return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]", f"{probability(mcnemar(fixed, broken))} ({fixed}, {broken})"

    def accuracy(self, place, groups):
        """Every row of a place: the mean of its seeds, and what it is against standard tuning."""
        base = self.standard(place)
        written = place[1] == "gsm8k"
        head = ["method", "accuracy", "to standard"] + (["ended", "extracted"] if written else [])
        lines = [line(head), line(["---"] * len(head))]
        if "untuned" in groups:
            for name, of in self.untuned_lines(place):
                low, high = wilson(of["right"], of["n"])
                cells = [name, f"{of['right'] / of['n']:.3f} [{low:.3f}, {high:.3f}]", "-"]
                lines.append(line(cells + ([f"{of['ended']:.3f}", f"{of['extracted']:.3f}"] if written else [])))
        for found in self.found.get(place, []):
            if found.unit.row.group not in groups:
                continue
            text = of_seeds(found.runs) if found.runs else "no figure"
            if 0 < len(found.runs) < found.unit.plan.options.seeds:
                text += f" ({len(found.runs)} seeds)"
            mark = "" if found.unit.has_own_search() and len(found.scores) >= found.unit.plan.options.trials else " \\*"
            cells = [found.name + mark, text, self.difference(found, base)[0]]
            lines.append(line(cells + ([found.mean_of("ended"), found.mean_of("extracted")] if written else [])))
        return "\n".join(lines) if len(lines) > 2 else ""

    def details(self, place):
        """Every seed, the rates and how they were found."""
        base = self.standard(place)
        head = ["method", "rates", "trials", "accuracy of each seed", "mean", "to standard", "p (fixed, broken)", "ms a step"]
        lines = [line(head), line(["---"] * len(head))]
        for found in self.found.get(place, []):
            difference, p = self.difference(found, base)
            lines.append(
                line(
                    [
                        found.name,
                        found.rate_words(),
                        found.trials(),
                        ", ".join(f"{share(run):.3f}" for run in found.runs) or "-",
                        of_seeds(found.runs) if found.runs else "-",
                        difference,
                        p,
                        found.mean_of("step_ms", 1),
                    ]
                )
            )
        return "\n".join(lines) if len(lines) > 2 else ""

    def trials(self, place):
        """The validation figures of every trial."""
        lines = [line(["method", "rates: right on the validation split, validation loss"]), line(["---"] * 2)]
        for found in self.found.get(place, []):
            cells = []
            for point in found.scores:
                run = found.unit.trial(point)
                result = self.journal.get(run)
                rates = "/".join(f"{value:g}" for value in run.about["rates"].values())
                if result["diverged"] or result["validation_loss"] is None:
                    cells.append(f"{rates}: no figure")
                else:
                    cells.append(f"{rates}: {result.get('right', '-')}, {result['validation_loss']:.4f}")
            if cells:
                lines.append(line([f"{found.name} ({', '.join(axis.name for axis in found.unit.row.axes)})", "; ".join(cells)]))
        return "\n".join(lines) if len(lines) > 2 else ""

    def by_steps(self, place):
        """The accuracy by the steps of the gold answer, over all seeds."""
        counts = {}
        rows = [(name, [of["items"]]) for name, of in self.untuned_lines(place) if "items" in of]
        rows += [(found.name, found.runs) for found in self.found.get(place, []) if found.runs]
        steps = self.steps(place)
        for step in steps:
            counts[step] = counts.get(step, 0) + 1
        kinds = sorted(kind for kind in counts if kind != "0")
        if not kinds:
            return ""
        head = ["method"] + [f"{kind} step{'s' if kind != '1' else ''} (n = {counts[kind]})" for kind in kinds]
        lines = [line(head), line(["---"] * len(head))]
        for name, runs in rows:
            cells = [name]
            for kind in kinds:
                own = [right for run in runs for right, step in zip(run, steps) if step == kind]
                cells.append(f"{own.count('1') / len(own):.3f}")
            lines.append(line(cells))
        return "\n".join(lines)

    def steps(self, place):
        for found in self.found.get(place, []):
            for result in found.results:
                return result["steps"]
        unit = self.untuned.get(place)
        result = unit and self.journal.get(unit.runs(self.journal)[0])
        return result["steps"] if result else ""

    def context_lines(self, place):
        """Names, items and shares of the untuned model with as many examples as do best, and of the state after them."""
        unit = self.context.get(place)
        results = [self.journal.get(run) for run in unit.tests(self.journal)] if unit else []
        lines = []
        if results and results[0]:
            n = unit.best(self.journal)
            lines.append((f"untuned, {n} example{'s' if n != 1 else ''} in front (by validation)", results[0]["FewShot"]))
        if len(results) > 1 and results[1] and "items" in results[1]:
            lines.append(("the state after these examples", results[1]))
        return lines

    def forgotten(self, place, name):
        """The mean change of the accuracy on the other benchmarks against the untuned model, in points, with its range
        over them; None where either is not known."""
        unit = self.forgetting.get((*place, name))
        runs = unit.runs(self.journal, self.units.by_key) if unit else []
        results = [result for run in runs if (result := self.journal.get(run)) and "others" in result]
        if not results:
            return None
        changes = {}
        for benchmark in results[0]["others"]:
            base = self.untuned.get((place[0], benchmark))
            before = base and self.journal.get(base.runs(self.journal)[0])
            if not before:
                return None
            after = statistics.mean(share(result["others"][benchmark]) for result in results)
            changes[benchmark] = 100 * (after - share(before["Before"]["items"]))
        words = ", ".join(f"{benchmark} {change:+.1f}" for benchmark, change in changes.items())
        return f"{statistics.mean(changes.values()):+.1f} ({words}; {len(results)} seed{'s' if len(results) != 1 else ''})"

    def question(self, place):
        """A state against adapters and examples in front: what each reaches, and what it costs."""
        head = [
            "method", "accuracy", "trained numbers", "steps", "ms a step", "memory of a step, MiB",
            "seconds of steps to the best validation", "tokens to the best validation", "points on the other benchmarks",
        ]
        lines = [line(head), line(["---"] * len(head))]
        for name, of in [*self.untuned_lines(place), *self.context_lines(place)]:
            low, high = wilson(of["right"], of["n"])
            lines.append(line([name, f"{of['right'] / of['n']:.3f} [{low:.3f}, {high:.3f}]", "0", *["-"] * 6]))
        costed = [found for found in self.found.get(place, []) if any("trained" in of for of in found.results)]
        for found in costed:
            tested = found.unit.tests(found.rates)[0].spec
            steps = tested.split("steps: ", 1)[1].split(",", 1)[0]
            memory = found.mean_of("memory", 0)
            lines.append(
                line(
                    [
                        found.name,
                        of_seeds(found.runs),
                        found.mean_of("trained", 0),
                        steps,
                        found.mean_of("step_ms", 1),
                        memory if memory == "-" else f"{float(memory) / 2**20:.0f}",
                        found.mean_of("best_secs", 2),
                        found.mean_of("best_tokens", 0),
                        self.forgotten(place, found.name) or "-",
                    ]
                )
            )
        if not costed:
            return ""
        note = (
            "Memory is that of the largest step by arithmetic. Seconds and tokens are means over the seeds; those of steps "
            "alone, without what is measured between them. Of the other benchmarks: the change against the untuned model "
            "without examples. Rows with the time of standard have as many steps as fit into the time that standard tuning "
            "takes, by the medians of both searches."
        )
        return "\n".join(lines) + "\n\n" + note

    def note(self, place):
        found = next((found for found in self.found.get(place, []) if found.runs), None)
        if not found:
            return ""
        result, options = found.results[0], found.unit.plan.options
        cap = f" Answers of at most {result['cap']} tokens." if "cap" in result else ""
        return (
            f"Means of {options.seeds} seeds on the test split (n = {len(result['items'])}) with Student's 95% "
            f"interval over the seeds; differences to standard tuning with the 95% interval of a bootstrap over "
            f"seeds and items; {options.steps} steps of {options.batch}.{cap} \\* its rates were not searched, or "
            f"with fewer than {options.trials} trials."
        )


def line(cells):
    return "| " + " | ".join(cells) + " |"


def section(title, *parts):
    parts = [part for part in parts if part]
    return "\n\n".join([f"### {title}", *parts]) if parts else ""


def title(place):
    return f"{place[1]}-mini, {place[0]} model"


def results(tables, cost):
    """The blocks of RESULTS.md by their names."""
    everything = {"untuned", "main", "controls", "others", "sizes", "training", "selection"}
    sections = [
        section(
            title(place),
            tables.accuracy(place, everything),
            tables.note(place),
            tables.details(place),
            tables.by_steps(place) if place[1] == "gsm8k" else "",
            tables.trials(place),
        )
        for place in tables.places()
    ]
    questions = [section(title(place), tables.question(place)) for place in tables.places()]
    return {
        "methods": "\n\n".join(part for part in sections if part),
        "question": "\n\n".join(part for part in questions if part),
        "cost": cost,
    }


def cost_table(entries):
    """Milliseconds a step of the methods, and how many steps of standard tuning that is."""
    if not entries:
        return ""
    shapes = list(dict.fromkeys(entry["shape"] for entry in entries))
    methods = list(dict.fromkeys(entry["method"] for entry in entries))
    by_key = {(entry["method"], entry["shape"]): entry for entry in entries}
    lines = [line(["method", *shapes]), line(["---"] * (1 + len(shapes)))]
    for method in methods:
        cells = [method]
        for shape in shapes:
            entry, base = by_key.get((method, shape)), by_key.get((methods[0], shape))
            if entry is None:
                cells.append("-")
                continue
            times = "" if entry is base or base is None else f", {entry['ms'] / base['ms']:.1f} x"
            memory = f", {entry['mb']:.0f} MB" if entry.get("mb") else ""
            cells.append(f"{entry['ms']:.1f} ms{times}{memory}")
        lines.append(line(cells))
    device = entries[0].get("device", "")
    return "\n".join(lines) + (f"\n\n{device}; batch x tokens: {', '.join(dict.fromkeys(e['size'] for e in entries))}." if device else "")


def put(text, name, block):
    """The text with what stands between the markers of `name` replaced."""
    first, last = f"<!-- study, {name}: written by benches/methods/study.py -->", f"<!-- end of study, {name} -->"
    if text.count(first) != 1 or text.count(last) != 1:
        raise SystemExit(f"the markers {first} and {last} do not stand there once each")
    before, rest = text.split(first)
    return f"{before}{first}\n\n{block}\n\n{last}{rest.split(last)[1]}"
