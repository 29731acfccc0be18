"""The rows of the tables: methods on benchmarks of models, in the order of their weight."""

import json
import re
import statistics

import search
from search import Axis

BENCHMARKS = ["gsm8k", "arc", "mmlu", "winogrande"]
SEEDS = range(5)

LOCAL_RULE = "(rule: LocalRule(eta: 0.05, kappa: 0.5){more})"
FULL = LOCAL_RULE.format(more="")
SAMPLED = LOCAL_RULE.format(more=", interval: 4, sample: 0.1")


def lifted(decorrelation="None", dynamics="Constant", tune_s0=True, size=256, gamma=1.0):
    return (
        f"Lifted(tune_s0: {str(tune_s0).lower()}, dynamics: {dynamics}, decorrelation: {decorrelation}, "
        f"features: (upscaled_size: {size}, gamma: Value({gamma})), learning_rate_lift: {{lift}})"
    )


def lora(rank, tune_s0=False):
    return f"Lora(rank: {rank}, alpha: {2.0 * rank}, tune_s0: {str(tune_s0).lower()}, learning_rate_lora: {{lora}})"


class Row:
    """A method. `group` says with which others it is asked for, `axes` what is searched: s0 and lift are
    rates, other names stand in the method. `changes` are other fields of the run; `rates_of` names the row
    whose rates it takes where it has no search of its own."""

    def __init__(self, name, group, method, axes, changes=None, rates_of=None):
        self.name, self.group, self.method, self.axes = name, group, method, axes
        self.changes, self.rates_of = changes or {}, rates_of


# Name, method, what is searched. M is 256, gamma 1, support vectors are k-means centres.
MAIN = [
    ("standard", "Standard()", ["s0"]),
    ("lifted", lifted(), ["s0", "lift"]),
    ("lifted, decorrelated", lifted(FULL), ["s0", "lift"]),
    ("lifted, decorrelated, sampled", lifted(SAMPLED), ["s0", "lift"]),
]
CONTROLS = [
    ("kappa = 1", lifted("(rule: LocalRule(eta: 0.05, kappa: 1.0))"), ["s0", "lift"]),
    ("scalar R", lifted("(rule: ScalarRms(eta: 0.05))"), ["s0", "lift"]),
    ("lifted, no S_0", lifted(tune_s0=False), ["lift"]),
    ("lifted, decorrelated, no S_0", lifted(FULL, tune_s0=False), ["lift"]),
]
OTHERS = [
    ("Recurrent, decorrelated", lifted(FULL, "Recurrent"), ["s0", "lift"]),
    ("Decayed, decorrelated", lifted(FULL, "Decayed"), ["s0", "lift"]),
    (
        "Joint over lambda",
        lifted("(rule: Joint(lambda: {lambda}, kappa: 0.5, learning_rate: 0.01))"),
        ["lambda", "lift", "s0"],
    ),
    # A gamma between those at which the recurrence runs away and those at which nothing reaches the state.
    (
        "paper-literal",
        f"PaperLiteral(decorrelation: {FULL}, features: (gamma: Value({{gamma}})), learning_rate_lift: {{lift}})",
        ["gamma", "lift"],
    ),
]
# What a state is compared with. On the mini model adapters of rank 4 have about as many numbers as S_0 (110,592 and
# 98,304).
ADAPTERS = [
    ("LoRA, rank 4", lora(4), ["lora"]),
    ("LoRA, rank 16", lora(16), ["lora"]),
    ("S_0 and LoRA, rank 4", lora(4, tune_s0=True), ["s0", "lora"]),
]
# Adapters that train for as long as S_0 does with the steps of the study: fewer steps where theirs take longer.
TIMED = ["LoRA, rank 4", "LoRA, rank 16"]
# Solved questions that are tried in front; the validation split says how many it is.
SHOTS = [1, 2, 5, 10, 20]
# Whose other benchmarks are scored, and with how many seeds.
FORGETTING = ["standard", "lifted, decorrelated", "LoRA, rank 4", "LoRA, rank 16", "S_0 and LoRA, rank 4"]
# Adapters whose training sets are changed too.
FEW = ["LoRA, rank 4", "S_0 and LoRA, rank 4"]
# The three whose training sets and selection are changed.
THREE = ["standard", "lifted", "lifted, decorrelated"]
# What the winner is looked for among.
LIFTED = ["lifted", "lifted, decorrelated", "lifted, decorrelated, sampled"]
SIZES = [64, 128, 512]
GAMMAS = [0.25, 0.5, 2.0, 4.0]
TRAIN_LIMITS = [16, 64, 256]

GROUPS = [
    "untuned", "main", "controls", "adapters", "others", "sizes", "training", "selection", "context", "timed", "few",
    "forgetting",
]
# Groups and rows by one name. `question`: is it the state, or would adapters do?
SETS = {
    "question": [
        "untuned", "standard", "lifted, decorrelated", "adapters", "timed", "context", "forgetting",
        *(f"{name}, {limit} examples" for limit in TRAIN_LIMITS for name in ("standard", "lifted, decorrelated", *FEW)),
    ]
}


def wanted(asked):
    """Groups and names of rows for what was asked for, with the sets among it written out."""
    all_of = [part for name in asked for part in SETS.get(name, [name])]
    return [name for name in all_of if name in GROUPS], [name for name in all_of if name not in GROUPS]


def centres(benchmark):
    """Where the search begins."""
    rates = (0.4, 0.02) if benchmark == "gsm8k" else (0.1, 0.01)
    return {"s0": rates[0], "lift": rates[1], "lora": 0.003, "lambda": 1.0, "gamma": 0.8}


def axes(names, benchmark):
    centre = centres(benchmark)
    # A single rate has as many points as a pair, and so a finer grid of the same width.
    ratio = {"gamma": 1.25}
    usual = 2.0 if len(names) == 1 else 4.0
    return [Axis(name, centre[name], ratio.get(name, usual)) for name in names]


def rows(benchmark):
    """Every row of a benchmark but those of the winner and the untuned model."""
    made = []
    for group, methods in [("main", MAIN), ("controls", CONTROLS), ("adapters", ADAPTERS), ("others", OTHERS)]:
        for name, method, names in methods:
            # Validation loss and accuracy part ways on WinoGrande: by the loss every run hands over the
            # untuned state.
            changes = {"select_by": "ValidationAccuracy"} if benchmark == "winogrande" else {}
            made.append(Row(name, group, method, axes(names, benchmark), changes))
    by_name = {row.name: row for row in made}
    for limit in TRAIN_LIMITS:
        for name in THREE:
            base = by_name[name]
            changes = base.changes | {"train_limit": limit}
            made.append(Row(f"{name}, {limit} examples", "training", base.method, base.axes, changes, name))
            if name == THREE[-1]:
                made += [few(by_name[name], limit) for name in FEW]
    for name in TIMED:
        base = by_name[name]
        made.append(Row(f"{name}, time of standard", "timed", base.method, base.axes, base.changes, name))
    other = "ValidationLoss" if benchmark == "winogrande" else "ValidationAccuracy"
    words = "loss" if benchmark == "winogrande" else "accuracy"
    for name in THREE:
        base = by_name[name]
        changes = base.changes | {"select_by": other}
        row = Row(f"{name}, state by validation {words}", "selection", base.method, base.axes, changes, name)
        made.append(row)
    return made


def few(base, limit):
    """The row with fewer examples to train on."""
    changes = base.changes | {"train_limit": limit}
    return Row(f"{base.name}, {limit} examples", "few", base.method, base.axes, changes, base.name)


def winner_rows(winner):
    """The rows that change the size and the width of the winner's features."""
    made = []
    for size in SIZES:
        method = winner.method.replace("upscaled_size: 256", f"upscaled_size: {size}")
        made.append(Row(f"{winner.name}, M = {size}", "sizes", method, winner.axes, winner.changes, winner.name))
    for gamma in GAMMAS:
        method = winner.method.replace("gamma: Value(1.0)", f"gamma: Value({gamma})")
        made.append(Row(f"{winner.name}, gamma = {gamma:g}", "sizes", method, winner.axes, winner.changes, winner.name))
    return made


class Model:
    """A model: its name in the tables and its file, none for the mini one."""

    def __init__(self, name, file=None):
        self.name, self.file = name, file

    def ron(self):
        return "Mini" if self.file is None else f"File({quoted(str(self.file))})"


def quoted(text):
    """A text as RON has it."""
    escaped = json.dumps(text, ensure_ascii=False)
    return re.sub(r"\\u([0-9a-f]{4})", r"\\u{\1}", escaped)


class Run:
    """One run: what it is in the tables, and its specification without a name and a device, by which its
    result is found again."""

    def __init__(self, about, spec):
        self.about, self.spec = about, spec

    def file(self, name, device, models):
        """The file of the specification; `models` by their names."""
        model = models[self.about["model"]]
        spec = self.spec.replace(f"checkpoint: {{{model.name}}}", f"checkpoint: {model.ron()}", 1)
        return f"(\n    name: {quoted(name)},\n    device: {device},\n{spec})\n"


def spec(model, benchmark, method, training, evaluation, train_limit=None):
    """A specification. In place of the checkpoint's path stands the model's name, so that a journal that was
    made with another path is the same study."""
    limit = "" if train_limit is None else f", train_limit: {train_limit}"
    return (
        f"    model: (checkpoint: {{{model.name}}}),\n"
        f"    data: (source: Mini({benchmark}), leading_token: None{limit}),\n"
        f"    method: {method},\n"
        f"    training: ({training}),\n"
        f"    evaluation: ({evaluation}),\n"
        f"    intervals: (log: 10, checkpoint: 0, snapshot: 0),\n"
    )


class Plan:
    """The runs of a study, from its options."""

    def __init__(self, options):
        self.options = options

    def training(self, row, s0, seed):
        options = self.options
        select = row.changes.get("select_by")
        select = f", select_by: {select}" if select else ""
        steps = row.changes.get("steps", options.steps)
        return (
            f"steps: {steps}, batch: {options.batch}, learning_rate: {s0:g}, warmup_steps: "
            f"{min(10, steps - 1)}, seed: {seed}, validate_every: {options.validate_every}, "
            f"validation_limit: {options.validation_limit}{select}"
        )

    def tuned(self, model, benchmark, row, rates, seed, part):
        """A run of a row at its rates; `part` is trial or test."""
        options = self.options
        method = row.method
        for name, value in rates.items():
            method = method.replace(f"{{{name}}}", f"{value:g}" if name != "gamma" else f"{value}")
        training = self.training(row, rates.get("s0", 0.1), seed)
        if part == "trial":
            limit = f", limit: {options.trial_items}" if options.trial_items else ""
            after = "false" if options.trial_items == 0 else "true"
            evaluation = f"before: false, few_shot: 0, after: {after}, split: Validation{limit}"
        else:
            limit = f", limit: {options.items}" if options.items else ""
            evaluation = f"before: false, few_shot: 0, split: Test{limit}"
        about = {
            "model": model.name,
            "benchmark": benchmark,
            "row": row.name,
            "part": part,
            "rates": rates,
            "seed": seed,
        }
        text = spec(model, benchmark, method, training, evaluation, row.changes.get("train_limit"))
        if part == "forgetting":
            # The same run once more, whose state is then asked what it was not tuned for.
            text += "    // its state is scored on the other benchmarks\n"
        return Run(about, text)

    def untuned(self, model, benchmark):
        """The untuned model, with examples in front and without."""
        limit = f", limit: {self.options.items}" if self.options.items else ""
        evaluation = f"before: true, few_shot: 5, after: false, split: Test{limit}"
        about = {"model": model.name, "benchmark": benchmark, "row": "untuned", "part": "untuned"}
        training = "steps: 1, warmup_steps: 0, validate_every: 0"
        return Run(about, spec(model, benchmark, "Base", training, evaluation))

    def in_context(self, model, benchmark, n_shots, part):
        """So many solved questions in front; `part` is trial, on the validation split, or context, on the test split."""
        options = self.options
        split, before, items = ("Test", "true", options.items)
        if part == "trial":
            split, before, items = ("Validation", "false", options.trial_items)
        limit = f", limit: {items}" if items else ""
        evaluation = f"before: {before}, few_shot: {n_shots}, after: false, split: {split}{limit}"
        about = {"model": model.name, "benchmark": benchmark, "row": f"{n_shots} examples in front", "part": part}
        training = "steps: 1, warmup_steps: 0, validate_every: 0"
        return Run(about, spec(model, benchmark, "Base", training, evaluation))

    def after_shots(self, model, benchmark, text):
        """The state after the same examples: one step at a rate that changes nothing."""
        limit = f", limit: {self.options.items}" if self.options.items else ""
        evaluation = f"before: false, few_shot: 0, split: Test{limit}"
        about = {"model": model.name, "benchmark": benchmark, "row": "state after the examples", "part": "test"}
        about |= {"rates": {}, "seed": 0}
        training = "steps: 1, batch: 1, warmup_steps: 0, validate_every: 0, learning_rate: 1e-12, select_by: LastStep"
        method = f"Standard(start: Text({quoted(text)}))"
        return Run(about, spec(model, benchmark, method, training, evaluation))


def rates_of(row, point):
    """The numbers of a point of a row's search."""
    return {axis.name: axis.value(exponent) for axis, exponent in zip(row.axes, point)}


class Unit:
    """A row on a benchmark of a model: what is to be run for it next."""

    def __init__(self, plan, model, benchmark, row):
        self.plan, self.model, self.benchmark, self.row = plan, model, benchmark, row
        # The scores of a search that is over, and whether all of the unit is done.
        self.searched, self.is_done = None, False

    def trial(self, point):
        return self.plan.tuned(self.model, self.benchmark, self.row, rates_of(self.row, point), 0, "trial")

    def scores(self, journal):
        """The scores of the points that were tried, in the order in which they were."""
        if self.searched is not None:
            return self.searched, []
        scores, axes, trials = {}, self.row.axes, self.plan.options.trials
        while True:
            wanted = search.next_points(axes, trials, scores)
            found = {point: journal.get(self.trial(point)) for point in wanted}
            # A point counts once all that were asked for with it are there, so that the order of their ends
            # changes nothing.
            if not wanted:
                self.searched = scores
            if not wanted or None in found.values():
                return scores, [point for point, result in found.items() if result is None]
            scores |= {point: self.score(result) for point, result in found.items()}

    def score(self, result):
        """What a trial is chosen by; None where it gave no figure."""
        loss, right = result["validation_loss"], result.get("right")
        if result["diverged"] or loss is None:
            return None
        if self.plan.options.choose == "loss" or right is None:
            return (-loss,)
        return (right, -loss)

    def has_own_search(self):
        return self.row.rates_of is None or self.plan.options.search_all

    def rates(self, journal, units):
        """The rates that the seeds have; None while they are being looked for, or where there are none."""
        if not self.has_own_search():
            return units[(self.model.name, self.benchmark, self.row.rates_of)].rates(journal, units)
        scores, waiting = self.scores(journal)
        best = search.best_point(scores)
        return None if waiting or best is None else rates_of(self.row, best)

    def tests(self, rates):
        return [
            self.plan.tuned(self.model, self.benchmark, self.row, rates, seed, "test")
            for seed in range(self.plan.options.seeds)
        ]

    def next_runs(self, journal, units):
        if self.is_done:
            return []
        # Where it takes the rates of another row, those are searched first.
        base = self if self.has_own_search() else units[(self.model.name, self.benchmark, self.row.rates_of)]
        _, waiting = base.scores(journal)
        if waiting:
            return [base.trial(point) for point in waiting]
        rates = self.rates(journal, units)
        left = [run for run in self.tests(rates) if run not in journal] if rates else []
        self.is_done = not left
        return left


class TimedUnit(Unit):
    """A row that has as many steps as fit into the time that standard tuning takes. Both times are medians over the
    trials of the two searches, so that they stand once these are over, and a study that goes on finds its runs again."""

    steps = None

    def searched_units(self, units):
        place = (self.model.name, self.benchmark)
        return [units[(*place, "standard")], units[(*place, self.row.rates_of)]]

    def ms(self, unit, journal):
        """Milliseconds of a step over the trials of a search."""
        scores, waiting = unit.scores(journal)
        if waiting:
            return None
        found = [journal.get(unit.trial(point)).get("step_ms") for point in scores]
        found = [ms for ms in found if ms]
        return statistics.median(found) if found else None

    def rates(self, journal, units):
        standard, own = (self.ms(unit, journal) for unit in self.searched_units(units))
        if not standard or not own:
            return None
        steps = self.plan.options.steps
        self.steps = max(1, min(steps, round(steps * standard / own)))
        return super().rates(journal, units)

    def tests(self, rates):
        row, changes = self.row, self.row.changes | {"steps": self.steps}
        timed = Row(row.name, row.group, row.method, row.axes, changes, row.rates_of)
        seeds = range(self.plan.options.seeds)
        return [self.plan.tuned(self.model, self.benchmark, timed, rates, seed, "test") for seed in seeds]

    def next_runs(self, journal, units):
        for unit in self.searched_units(units):
            _, waiting = unit.scores(journal)
            if waiting:
                return [unit.trial(point) for point in waiting]
        return super().next_runs(journal, units)


class Beside:
    """What stands beside the rows: it has a name, a group, and the rows whose searches it needs."""

    bases, method = (), "Base"

    def is_begun(self, journal):
        return False


class ForgettingUnit(Beside):
    """What a row's state answers of the benchmarks that it was not tuned for."""

    group = "forgetting"

    def __init__(self, base):
        self.base, self.plan, self.model, self.benchmark = base, base.plan, base.model, base.benchmark
        self.name, self.bases, self.method = base.row.name, (base,), base.row.method

    def n_left(self, journal, units):
        """Trials and runs that are left; those of the search are the row's own."""
        if self.base.scores(journal)[1] or self.base.rates(journal, units) is None:
            return 0, self.plan.options.forgetting_seeds
        return 0, sum(run not in journal for run in self.runs(journal, units))

    def runs(self, journal, units):
        rates = self.base.rates(journal, units)
        seeds = range(self.plan.options.forgetting_seeds)
        made = [self.plan.tuned(self.model, self.benchmark, self.base.row, rates, seed, "forgetting") for seed in seeds]
        return made if rates else []

    def next_runs(self, journal, units):
        _, waiting = self.base.scores(journal)
        if waiting:
            return [self.base.trial(point) for point in waiting]
        return [run for run in self.runs(journal, units) if run not in journal]


class ContextUnit(Beside):
    """Solved questions in front, as many as do best on the validation split, and the state after them."""

    def __init__(self, plan, model, benchmark):
        self.plan, self.model, self.benchmark = plan, model, benchmark

    group, name = "context", "examples in front"

    def is_begun(self, journal):
        return any(run in journal for run in self.trials().values())

    def n_left(self, journal, units):
        """Trials and runs that are left."""
        trials = sum(run not in journal for run in self.trials().values())
        # The state after the examples comes once they are known; MMLU has others for each subject.
        known = 1 if self.benchmark == "mmlu" else 2
        return trials, known - sum(run in journal for run in self.tests(journal))

    def trials(self):
        return {n: self.plan.in_context(self.model, self.benchmark, n, "trial") for n in SHOTS}

    def best(self, journal):
        """How many do best, the fewest of equal ones; None while some are not tried."""
        results = {n: journal.get(run) for n, run in self.trials().items()}
        if None in results.values():
            return None
        return max(SHOTS, key=lambda n: results[n]["FewShot"]["right"])

    def tests(self, journal):
        best = self.best(journal)
        if best is None:
            return []
        runs = [self.plan.in_context(self.model, self.benchmark, best, "context")]
        result = journal.get(runs[0])
        if result and result.get("examples"):
            runs.append(self.plan.after_shots(self.model, self.benchmark, result["examples"]))
        return runs

    def next_runs(self, journal, units):
        left = [run for run in self.trials().values() if run not in journal]
        return left or [run for run in self.tests(journal) if run not in journal]


class UntunedUnit:
    """The untuned model on a benchmark, and the state after its examples."""

    def __init__(self, plan, model, benchmark):
        self.plan, self.model, self.benchmark = plan, model, benchmark

    def runs(self, journal):
        runs = [self.plan.untuned(self.model, self.benchmark)]
        result = journal.get(runs[0])
        if result and result.get("examples"):
            runs.append(self.plan.after_shots(self.model, self.benchmark, result["examples"]))
        return runs

    def next_runs(self, journal, units):
        return [run for run in self.runs(journal) if run not in journal]


class Units:
    """What a study does, the most telling first."""

    def __init__(self, plan, models, benchmarks, groups=(), names=()):
        self.plan, self.models, self.benchmarks = plan, models, benchmarks
        self.groups, self.names = groups, names
        self.by_key, self.order = {}, []
        for model in models:
            for benchmark in benchmarks:
                for row in rows(benchmark):
                    kind = TimedUnit if row.group == "timed" else Unit
                    self.by_key[(model.name, benchmark, row.name)] = kind(plan, model, benchmark, row)
        for group, model, benchmark in self.stages():
            if group == "untuned":
                self.order.append(UntunedUnit(plan, model, benchmark))
            if group == "context":
                self.order.append(ContextUnit(plan, model, benchmark))
            if group == "forgetting":
                bases = [self.by_key[(model.name, benchmark, name)] for name in FORGETTING]
                self.order += [ForgettingUnit(base) for base in bases]
            for row in rows(benchmark):
                if row.group == group:
                    self.order.append(self.by_key[(model.name, benchmark, row.name)])
            if group == "sizes":
                self.order.append((model, benchmark))

    def is_wanted(self, unit):
        """Whether a unit was asked for: by its group or by its row's name."""
        if not self.groups and not self.names:
            return True
        of_kind = {UntunedUnit: "untuned", ContextUnit: "context", ForgettingUnit: "forgetting"}
        if kind := of_kind.get(type(unit)):
            return kind in self.groups
        return unit.row.group in self.groups or unit.row.name in self.names

    def stages(self):
        """Groups, models and benchmarks in their order: the first benchmark whole before the others."""
        first, others = self.benchmarks[:1], self.benchmarks[1:]
        of_first = [(g, m, b) for g in ("untuned", "main") for b in first for m in self.models]
        of_first += [("controls", m, b) for m in self.models[:1] for b in first]
        main = [(g, m, b) for g in ("untuned", "main") for m in self.models for b in others]
        later = ("adapters", "sizes", "training", "others", "selection")
        # What only the question about adapters asks for.
        last = ("context", "timed", "few", "forgetting")
        rest = [(g, m, b) for b in first for m in self.models for g in later]
        rest += [("controls", m, b) for m in self.models[1:] for b in first]
        rest += [(g, m, b) for b in first for m in self.models for g in last]
        stages = of_first + main + rest
        if self.groups or self.names:
            # On the other benchmarks only where it is asked for.
            stages += [(g, m, b) for b in others for m in self.models for g in GROUPS[2:]]
        return stages

    def winner(self, model, benchmark, journal):
        """The lifted row with the best validation figure; None while one is being looked for."""
        best = None
        for name in [self.plan.options.winner] if self.plan.options.winner else LIFTED:
            unit = self.by_key.get((model.name, benchmark, name))
            if unit is None:
                continue
            scores, waiting = unit.scores(journal)
            if waiting:
                return None
            point = search.best_point(scores)
            if point is not None and (best is None or scores[point] > best[0]):
                best = (scores[point], unit.row)
        return best and best[1]

    def all(self, journal):
        """The units, those of the winners included where they are known."""
        units = []
        for unit in self.order:
            if not isinstance(unit, tuple):
                units.append(unit)
                continue
            if (self.groups or self.names) and "sizes" not in self.groups:
                continue
            winner = self.winner(*unit, journal)
            for row in winner_rows(winner) if winner else []:
                key = (unit[0].name, unit[1], row.name)
                if key not in self.by_key:
                    self.by_key[key] = Unit(self.plan, *unit, row)
                units.append(self.by_key[key])
        return [unit for unit in units if self.is_wanted(unit)]

    def next_run(self, journal, busy):
        """The next run that is neither done nor under way; None where there is none now."""
        for unit in self.all(journal):
            for run in unit.next_runs(journal, self.by_key):
                if run.spec not in busy:
                    return run
        return None
