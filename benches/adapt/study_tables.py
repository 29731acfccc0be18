"""The tables of the study of adaptation, from its journal."""

import math
import statistics


def accuracy(outcome):
    return outcome["right"].count("1") / max(1, len(outcome["right"]))


def tokens(outcome):
    cost = outcome["cost"]
    return (cost["forward"] + 3 * cost["trained"]) / max(1, len(outcome["right"]))


def groups(journal):
    """Entries of the test split by row."""
    found = {}
    for entry in journal.entries.values():
        if not entry["trial"] and not entry["error"]:
            kind = entry.get("kind", "simulated" if entry["simulated"] else "free")
            found.setdefault((kind, entry["row"], entry["rate"], entry.get("steps")), []).append(entry)
    return found


def best_rival(entries):
    """The best figure that costs no more, of the run that has them."""
    for entry in entries:
        adapted = next(of for of in entry["outcomes"] if of["kind"] == "Adapted")
        rivals = [
            of for of in entry["outcomes"]
            if of["kind"] == "Guide" or (of["kind"] in ("Base", "Baseline") and tokens(of) <= 1.05 * tokens(adapted))
        ]
        if any(of["kind"] == "Baseline" for of in rivals):
            return max(rivals, key=accuracy)
    return None


def mcnemar(a, b):
    """Two-sided, exact."""
    fixed = sum(x == "1" and y == "0" for x, y in zip(a, b))
    broken = sum(x == "0" and y == "1" for x, y in zip(a, b))
    n, fewer = fixed + broken, min(fixed, broken)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n) if n else 1.0


def spread_of(values):
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def part_of(adapted, name):
    """The mean share of a part of the questions over the seeds; nothing where there is no such part."""
    found = [part for of in adapted for called, part in of.get("parts", []) if called == name]
    values = [part["n_correct"] / max(1, part["n_items"]) for part in found]
    return f"{statistics.mean(values):.3f}" if values else ""


def best_with_guide(entries):
    """The best of what counts the guide's answers beside the model's and tunes nothing, whatever it costs."""
    found = [
        of for entry in entries for of in entry["outcomes"]
        if of["kind"] == "Baseline" and ("guide's answer" in of["name"] or "guide's text" in of["name"])
    ]
    return max(found, key=accuracy) if found else None


def guided_table(journal, kind):
    """Beside each other: the guide, the states, the guide's answers as votes."""
    lines = [
        "| row | rate, steps | seeds | base | guide | adapted | guided / other questions | copies | tokens a question "
        "| guide's answers without a step | best at no more tokens | p |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (of_kind, row, rate, steps), entries in groups(journal).items():
        if of_kind != kind:
            continue
        entries = sorted(entries, key=lambda entry: entry["seed"])
        adapted = [next(of for of in entry["outcomes"] if of["kind"] == "Adapted") for entry in entries]
        all_of = [of for entry in entries for of in entry["outcomes"]]
        base = next(of for of in all_of if of["kind"] == "Base")
        guide = next((of for of in all_of if of["kind"] == "Guide"), None)
        votes, rival = best_with_guide(entries), best_rival(entries)
        said = [f"{accuracy(of):.3f} {of['name']}" if of else "" for of in (votes, rival)]
        p = f"{mcnemar(adapted[0]['right'], rival['right']):.2g}" if rival else ""
        seen = " / ".join(of for of in (part_of(adapted, "guided questions"), part_of(adapted, "other questions")) if of)
        lines.append(
            f"| {row} | {rate}{f', {steps}' if steps else ''} | {len(adapted)} | {accuracy(base):.3f} "
            f"| {f'{accuracy(guide):.3f}' if guide else ''} | {spread_of([accuracy(of) for of in adapted])} | {seen} "
            f"| {part_of(adapted, 'copies of the guide')} | {tokens(adapted[0]):.0f} | {said[0]} | {said[1]} | {p} |"
        )
    return "\n".join(lines) if len(lines) > 2 else ""


def table(journal):
    lines = [
        "| row | rate | seeds | base | adapted | tokens a question | best at no more tokens | p |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (kind, row, rate, _), entries in groups(journal).items():
        if kind != "free":
            continue
        adapted = [next(of for of in entry["outcomes"] if of["kind"] == "Adapted") for entry in entries]
        base = next(of for of in entries[0]["outcomes"] if of["kind"] == "Base")
        values = [accuracy(of) for of in adapted]
        rival = best_rival(entries)
        against = f"{accuracy(rival):.3f} {rival['name']}" if rival else ""
        p = f"{mcnemar(adapted[0]['right'], rival['right']):.2g}" if rival else ""
        lines.append(
            f"| {row} | {rate} | {len(values)} | {accuracy(base):.3f} | {spread_of(values)} "
            f"| {tokens(adapted[0]):.0f} | {against} | {p} |"
        )
    return "\n".join(lines) if len(lines) > 2 else ""


def tables(journal):
    parts = [table(journal)]
    guided = guided_table(journal, "guided")
    if guided:
        parts += [
            "With a guide, whose accuracy and whose answers as votes stand beside it; questions without a text of it "
            "count as wrong for the guide:",
            guided,
        ]
    simulated = guided_table(journal, "simulated")
    if simulated:
        parts += ["With a simulated guide, which reads the labels and so proves nothing:", simulated]
    return "\n\n".join(part for part in parts if part)
