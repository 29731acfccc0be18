"""The rows of the study of adaptation: what is adapted to what, and what is tried."""

RATES = [0.01, 0.02, 0.05, 0.1, 0.2]


class Row:
    """An objective on a benchmark. `rates` and numbers of `steps` are tried on the validation split; without `steps`
    their number is among the `changes`. `base` is "zero" or "tuned"."""

    def __init__(
        self, weight, benchmark, base, mode, objective, changes=(), rates=RATES, guide=None, seeds=None, steps=None
    ):
        self.weight, self.benchmark, self.base, self.mode = weight, benchmark, base, mode
        self.objective, self.changes, self.rates, self.guide = objective, list(changes), rates, guide
        self.seeds, self.steps = seeds, steps

    @property
    def name(self):
        guide = f", {self.guide if self.is_simulated else self.guide.split('(')[0]}" if self.guide else ""
        return f"{self.benchmark}-mini, from {self.base}, {self.mode}: {self.objective}{guide}"

    @property
    def is_simulated(self):
        return bool(self.guide) and self.guide.startswith("Simulated")

    @property
    def kind(self):
        return "simulated" if self.is_simulated else "guided" if self.guide else "free"

    @property
    def is_chosen(self):
        """Whether there is anything to choose."""
        return len(self.rates) > 1 or bool(self.steps)


def single(x):
    return f"SingleStep(exponent: Is({x}), estimator: Exact)"


# By its name, so that a journal that was made with the file elsewhere is the same study.
LOCAL = 'Local(checkpoint: File("{guide}"))'


def guided_rows():
    """Rows with a real guide. A letter or an option is one step, so that several steps are of written answers alone."""
    found = []
    # One state a question: nothing is drawn, and so every seed would give the same states.
    bases = [("gsm8k", "tuned", [0.03, 0.1, 0.2]), ("mmlu", "zero", [0.02, 0.1]), ("arc", "zero", [0.02, 0.1])]
    for benchmark, base, rates in bases:
        for weight, x in [(1, "1.0"), (2, "0.0"), (2, "0.5")]:
            items = [] if benchmark == "gsm8k" else ["update.items=128"]
            found.append(Row(weight, benchmark, base, "Item", single(x), items, rates, LOCAL, [0], [2, 4, 8]))
    # One state for all, of which half have a text of the guide: other questions show what carries over.
    half = ["stops.guide_calls={half}", "update.batch=32"]
    for benchmark, base, rates in [("gsm8k", "tuned", [0.05, 0.2]), ("mmlu", "zero", [0.02, 0.1]), ("arc", "zero", [0.02, 0.1])]:
        for weight, x in [(3, "0.5"), (4, "0.0"), (5, "1.0")]:
            found.append(Row(weight, benchmark, base, "Shared", single(x), [*half, "update.steps=40"], rates, LOCAL))
    several = [*half, "update.group=8"]
    found += [
        Row(3, "gsm8k", "tuned", "Shared", "ReverseKlExact", [*half, "update.group=1"], [0.02, 0.1], LOCAL, None, [20, 40]),
        Row(4, "gsm8k", "tuned", "Shared", "Agreement(discount: 0.9)", several, [0.01, 0.03], LOCAL, None, [12, 24]),
        Row(4, "gsm8k", "tuned", "Shared", "Soft(top: None)", [*half, "update.steps=40"], [0.05, 0.2], LOCAL),
        Row(5, "gsm8k", "tuned", "Shared", "ReverseKl(discount: 0.0)", several, [0.02], LOCAL, None, [12, 24]),
        Row(5, "gsm8k", "tuned", "Shared", "ReverseKl(discount: 0.9)", several, [0.02], LOCAL, None, [12, 24]),
        Row(5, "gsm8k", "tuned", "Shared", "Answer", several, [0.01], LOCAL, None, [12, 24]),
        # Several steps, one state a question.
        Row(5, "gsm8k", "tuned", "Item", "ReverseKlExact", ["update.group=4"], [0.03, 0.1], LOCAL, None, [2, 4, 8]),
        Row(6, "gsm8k", "tuned", "Item", "Agreement(discount: 0.9)", ["update.group=8"], [0.03, 0.1], LOCAL, None, [2, 4, 8]),
        Row(6, "mmlu", "zero", "Shared", "Soft(top: None)", [*half, "update.steps=40"], [0.02, 0.1], LOCAL),
        Row(6, "gsm8k", "zero", "Item", single("0.0"), [], [0.2], LOCAL, [0], [8, 16, 32]),
    ]
    return found


def rows(arguments):
    """The rows, the most telling first."""
    free = [
        Row(1, "mmlu", "zero", "Shared", "Information"),
        Row(2, "mmlu", "zero", "Shared", "OptionEntropy"),
        Row(2, "mmlu", "zero", "Shared", "Views(orders: 4)"),
        Row(2, "arc", "zero", "Shared", "Information"),
        Row(3, "arc", "zero", "Shared", "OptionEntropy"),
        Row(3, "mmlu", "zero", "Pool", "Information"),
        Row(4, "mmlu", "zero", "Item", "OptionEntropy", ["update.steps=4", "update.items=128"], [0.02, 0.1]),
        Row(4, "mmlu", "zero", "Shared", "ContextDistillation(examples: 3, draws: 4)", [], [0.02, 0.1]),
        Row(5, "gsm8k", "tuned", "Shared", "Majority", ["update.steps=16", "update.batch=32"], [0.002, 0.005, 0.02]),
        Row(6, "gsm8k", "tuned", "Shared", "Entropy", ["update.steps=16", "update.batch=32", "update.group=2"], [0.002, 0.01]),
        Row(6, "gsm8k", "tuned", "Shared", "MajorityImitation", ["update.steps=16", "update.batch=32"], [0.002, 0.01]),
        Row(7, "mmlu", "tuned", "Shared", "Information", [], [0.02, 0.1]),
    ]
    if not arguments.guide:
        return sorted(free, key=lambda row: row.weight)
    simulated = [
        Row(8, "gsm8k", "tuned", "Item", single("1.0"), ["update.steps=8"], [0.1], f"Simulated(right: {right})", [0])
        for right in ["0.4", "0.6", "0.8", "1.0"]
    ]
    found = guided_rows() + simulated if arguments.guided else free + guided_rows() + simulated
    return sorted(found, key=lambda row: row.weight)
