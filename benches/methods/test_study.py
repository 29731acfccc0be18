"""python3 -m unittest discover benches/methods"""

import argparse
import json
import math
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import search
import tables
from engine import RunJournal, cli_device, others, outcome
from rows import BENCHMARKS, LIFTED, SHOTS, ContextUnit, ForgettingUnit, Model, Plan, Units, rows, wanted
from search import Axis


def options(**changes):
    made = {
        "trials": 12, "seeds": 5, "choose": "accuracy", "winner": None, "search_all": False, "steps": 300,
        "batch": 32, "validate_every": 50, "validation_limit": 100, "trial_items": None, "items": None,
        "forgetting_seeds": 2,
    }
    return argparse.Namespace(**(made | changes))


def searched(axes, trials, score):
    """The scores of a whole search, and how many rounds it took."""
    scores, rounds = {}, 0
    while points := search.next_points(axes, trials, scores):
        assert not set(points) & set(scores) and len(points) == len(set(points))
        scores |= {point: score(point) for point in points}
        rounds += 1
        assert rounds < 99
    return scores


class Searches(unittest.TestCase):
    one = [Axis("s0", 0.4, 2.0)]
    two = [Axis("s0", 0.4, 4.0), Axis("lift", 0.02, 4.0)]
    three = [Axis("lambda", 1.0, 4.0), *two]

    def hill(self, *top):
        return lambda point: (-sum((a - b) ** 2 for a, b in zip(point, top)),)

    def test_rows_of_one_and_of_two_rates_have_as_many_trials(self):
        for axes, top in [(self.one, (0.6,)), (self.two, (0.2, -0.3))]:
            scores = searched(axes, 12, self.hill(*top))
            self.assertEqual(len(scores), 12)
            self.assertFalse(search.is_at_edge(scores))

    def test_a_grid_grows_while_its_best_point_lies_at_an_edge(self):
        for axes, top in [(self.one, (6.0,)), (self.two, (2.2, -1.8)), (self.three, (0.3, 0.2, 2.0))]:
            scores = searched(axes, 12, self.hill(*top))
            self.assertFalse(search.is_at_edge(scores), top)
            best = search.best_point(scores)
            for axis, exponent in enumerate(best):
                self.assertLessEqual(abs(exponent - top[axis]), 1.0)
        # What never turns down is said to lie at an edge, and ends.
        scores = searched(self.two, 12, lambda point: (point[0],))
        self.assertTrue(search.is_at_edge(scores))
        self.assertLessEqual(len(scores), 12 + search.MOST_EXTRA)
        self.assertEqual(max(point[0] for point in scores), search.FURTHEST)

    def test_what_gives_no_figure_is_the_end_of_an_axis(self):
        scores = searched(self.one, 12, lambda point: (point[0],) if point[0] < 2 else None)
        self.assertFalse(search.is_at_edge(scores))
        self.assertEqual(len(scores), 12)
        scores = searched(self.one, 12, lambda point: None)
        self.assertIsNone(search.best_point(scores))
        self.assertEqual(len(scores), 9)


class FakeJournal:
    """Right answers that depend on the rates: best at an S_0 rate of 1.6."""

    def __init__(self):
        self.results = {}

    def get(self, run):
        return self.results.get(run.spec)

    def __contains__(self, run):
        return run.spec in self.results

    def do(self, run):
        about = run.about
        result = {"diverged": False, "validation_loss": 0.1, "secs": 1.0, "step_ms": 10.0}
        if about["part"] == "untuned":
            of = {"right": 0, "n": 500, "items": "0" * 500, "ended": 0.5, "extracted": 0.1}
            result |= {"Before": of, "FewShot": of, "examples": 'Question: "x"\n', "steps": "1" * 500}
        elif "in front" in about["row"]:
            # Five and ten are as good as each other, and better than all others.
            n = int(about["row"].split()[0])
            right = {5: 60, 10: 60}.get(n, n)
            result |= {"FewShot": {"right": right, "n": 200}}
            if about["part"] == "context":
                items = "1" * right + "0" * (500 - right)
                result["FewShot"] |= {"n": 500, "items": items, "ended": 0.5, "extracted": 0.1}
                result |= {"Before": result["FewShot"], "examples": "Question: " * n, "steps": "1" * 500}
        else:
            off = 0.4 * abs(math.log(about["rates"].get("s0", 1.6) / 1.6))
            right = max(0, int(400 - 20 * off) + (20 if "decorrelated" in about["row"] else 0) + about["seed"])
            result |= {"right": right // 3, "n": 200, "trained": 98_304, "memory": 64 << 20}
            result |= {"best_step": 200, "best_secs": 2.5, "best_tokens": 300_000}
            if "LoRA" in about["row"]:
                result["step_ms"] = 40.0 if "16" in about["row"].split(",")[1] else 20.0
            if about["part"] == "test":
                shift = 7 * about["seed"]
                items = "".join("1" if (idx * 37 + shift) % 500 < right else "0" for idx in range(500))
                result |= {"items": items, "right": right, "n": 500, "steps": "1234" * 125, "cap": 123, "ended": 0.99, "extracted": 0.98}
            if about["part"] == "forgetting":
                # One in ten and one more for each seed, of ten.
                right = "1" * (1 + about["seed"]) + "0" * (9 - about["seed"])
                result["others"] = {name: right for name in BENCHMARKS if name != about["benchmark"]}
        self.results[run.spec] = result


class Studies(unittest.TestCase):
    def study(self, **changes):
        plan = Plan(options(**changes))
        return Units(plan, [Model("mini"), Model("guide", "/x/guide.pth")], ["gsm8k", "winogrande"])

    def done(self, units, journal, most=100_000):
        order = []
        while len(order) < most and (run := units.next_run(journal, set())) is not None:
            order.append(run)
            journal.do(run)
        return order

    def test_a_study_does_every_row_and_goes_on_where_it_stopped(self):
        whole, parts = FakeJournal(), FakeJournal()
        self.done(self.study(), whole)
        for most in (3, 50, 100_000):
            self.done(self.study(), parts, most)
        self.assertEqual(list(whole.results), list(parts.results))
        made = tables.Tables(self.study(), whole)
        for place, names in [(("mini", "gsm8k"), None), (("guide", "winogrande"), "main")]:
            wanted = {row.name for row in rows(place[1]) if names is None or row.group == names}
            found = {found.name for found in made.found[place] if len(found.runs) == 5}
            self.assertLessEqual(wanted, found)
        sizes = [found.name for found in made.found[("mini", "gsm8k")] if found.unit.row.group == "sizes"]
        self.assertEqual(len(sizes), 7)
        self.assertTrue(all(name.startswith("lifted, decorrelated, M") or "gamma" in name for name in sizes))

    def test_every_searched_row_has_the_same_number_of_trials(self):
        units, journal = self.study(), FakeJournal()
        self.done(units, journal)
        for unit in units.by_key.values():
            if unit.has_own_search() and unit.row.group == "main":
                scores, _ = unit.scores(journal)
                self.assertGreaterEqual(len(scores), 12, unit.row.name)
                self.assertFalse(search.is_at_edge(scores), unit.row.name)
                self.assertAlmostEqual(unit.rates(journal, units.by_key).get("s0"), 1.6, delta=0.8)

    def test_the_most_telling_rows_come_first(self):
        order = self.done(self.study(), FakeJournal())
        places = [(run.about["model"], run.about["benchmark"]) for run in order]
        self.assertEqual(places[0], ("mini", "gsm8k"))
        first_main = next(idx for idx, run in enumerate(order) if run.about["row"] == "Decayed, decorrelated")
        self.assertTrue(all(run.about["row"] != "Decayed, decorrelated" for run in order[:first_main]))
        last_lifted = max(
            idx
            for idx, run in enumerate(order)
            if run.about["row"] in LIFTED and run.about["benchmark"] == "gsm8k" and run.about["part"] != "forgetting"
        )
        self.assertLess(last_lifted, first_main)

    def test_rows_are_asked_for_by_group_and_by_name(self):
        plan = Plan(options())
        one = Units(plan, [Model("mini")], ["gsm8k"], [], ["standard, 16 examples"])
        journal = FakeJournal()
        order = self.done(one, journal)
        # The rates are those of another row, which are searched for it.
        self.assertEqual({run.about["row"] for run in order}, {"standard", "standard, 16 examples"})
        self.assertEqual(sum(run.about["part"] == "test" for run in order), 5)
        self.assertIn("train_limit: 16", order[-1].spec)

    def test_one_name_asks_for_the_whole_question(self):
        groups, names = wanted(["question", "controls"])
        self.assertIn("adapters", groups)
        self.assertIn("controls", groups)
        self.assertIn("S_0 and LoRA, rank 4, 16 examples", names)
        known = {row.name for row in rows("gsm8k")} | {"untuned"}
        self.assertLessEqual(set(names), known)
        units = Units(Plan(options()), [Model("mini")], ["gsm8k", "arc"], *wanted(["question"]))
        whole, parts = FakeJournal(), FakeJournal()
        self.done(units, whole)
        # It goes on where it was stopped, with the same runs.
        for most in (1, 7, 200, 100_000):
            self.done(Units(Plan(options()), [Model("mini")], ["gsm8k", "arc"], *wanted(["question"])), parts, most)
        self.assertEqual(list(whole.results), list(parts.results))
        done = {unit.row.name for unit in units.all(whole) if hasattr(unit, "row")}
        self.assertNotIn("kappa = 1", done)
        for limit in (16, 64, 256):
            for name in ("standard", "lifted, decorrelated", "LoRA, rank 4", "S_0 and LoRA, rank 4"):
                self.assertIn(f"{name}, {limit} examples", done)

    def test_adapters_with_the_time_of_standard_have_fewer_steps(self):
        units = Units(Plan(options()), [Model("mini")], ["gsm8k"], ["timed"])
        journal = FakeJournal()
        order = self.done(units, journal)
        tests = [run for run in order if run.about["part"] == "test"]
        steps = {run.about["row"]: run.spec.split("steps: ")[1].split(",")[0] for run in tests}
        # 300 steps of 10 ms are 150 of 20 ms and 75 of 40 ms.
        self.assertEqual(steps, {"LoRA, rank 4, time of standard": "150", "LoRA, rank 16, time of standard": "75"})
        self.assertEqual(len(tests), 10)
        # Both searches were asked for first, and rates are those of the row with all its steps.
        self.assertEqual({run.about["row"] for run in order if run.about["part"] == "trial"}, {"standard", "LoRA, rank 4", "LoRA, rank 16"})
        lora = units.by_key[("mini", "gsm8k", "LoRA, rank 4")].rates(journal, units.by_key)
        self.assertEqual(tests[0].about["rates"], lora)
        # What is slower than it by less than half a step changes nothing.
        self.assertNotIn("steps: 300", tests[0].spec)

    def test_the_validation_split_says_how_many_examples_stand_in_front(self):
        units = Units(Plan(options()), [Model("mini")], ["gsm8k"], ["context", "untuned"])
        journal = FakeJournal()
        order = self.done(units, journal)
        trials = [run for run in order if run.about["part"] == "trial"]
        self.assertEqual(len(trials), len(SHOTS))
        self.assertTrue(all("split: Validation" in run.spec and "method: Base" in run.spec for run in trials))
        (unit,) = [unit for unit in units.all(journal) if isinstance(unit, ContextUnit)]
        # The fewest of those that are as good as each other.
        self.assertEqual(unit.best(journal), 5)
        (test, after) = unit.tests(journal)
        self.assertIn("few_shot: 5", test.spec)
        self.assertIn("split: Test", test.spec)
        # The same run as that of the untuned model, which is not done twice.
        untuned = Plan(options()).untuned(Model("mini"), "gsm8k")
        self.assertEqual(test.spec, untuned.spec)
        self.assertIn("start: Text(", after.spec)
        made = tables.Tables(units, journal)
        self.assertEqual(made.context_lines(("mini", "gsm8k"))[0][0], "untuned, 5 examples in front (by validation)")

    def test_what_is_forgotten_is_the_change_of_the_other_benchmarks(self):
        asked = ["forgetting", "untuned", "main"]
        units, journal = Units(Plan(options()), [Model("mini")], BENCHMARKS, asked), FakeJournal()
        order = self.done(units, journal)
        runs = [run for run in order if run.about["part"] == "forgetting" and run.about["row"] == "standard"]
        of_gsm8k = [run for run in runs if run.about["benchmark"] == "gsm8k"]
        self.assertEqual([run.about["seed"] for run in of_gsm8k], [0, 1])
        # It is the run of the test with a line of its own.
        tested = [run for run in order if run.about["part"] == "test" and run.about["row"] == "standard"]
        self.assertEqual(of_gsm8k[0].spec.replace("    // its state is scored on the other benchmarks\n", ""), tested[0].spec)
        made = tables.Tables(units, journal)
        # Untuned 0 of 500; tuned 0.1 and 0.2.
        words = made.forgotten(("mini", "gsm8k"), "standard")
        self.assertEqual(words, "+15.0 (arc +15.0, mmlu +15.0, winogrande +15.0; 2 seeds)")
        self.assertIsNone(made.forgotten(("mini", "gsm8k"), "lifted"))
        self.assertTrue(any(isinstance(unit, ForgettingUnit) for unit in units.all(journal)))

    def test_the_table_of_the_question_has_what_each_row_costs(self):
        units = Units(Plan(options()), [Model("mini")], ["gsm8k"], *wanted(["question"]))
        journal = FakeJournal()
        self.assertEqual(tables.results(tables.Tables(units, journal), "")["question"], "")
        self.done(units, journal)
        tables.N_DRAWS = 50
        text = tables.results(tables.Tables(units, journal), "")["question"]
        by_name = {cells[1].strip(): [cell.strip() for cell in cells] for cells in (row.split("|") for row in text.splitlines() if row.startswith("|"))}
        standard = by_name["standard"]
        self.assertEqual(standard[3:9], ["98304", "300", "10.0", "64", "2.50", "300000"])
        self.assertEqual(by_name["LoRA, rank 4, time of standard"][4:6], ["150", "20.0"])
        self.assertEqual(by_name["untuned"][3:9], ["0", "-", "-", "-", "-", "-"])
        # The other benchmarks of the untuned model are not known here.
        self.assertEqual(standard[9], "-")
        self.assertIn("by arithmetic", text)

    def test_tables_stand_between_their_markers_and_say_what_was_not_searched(self):
        units, journal = self.study(), FakeJournal()
        self.done(units, journal)
        made = tables.Tables(units, journal)
        tables.N_DRAWS = 50
        results = tables.results(made, "")["methods"]
        self.assertIn("| lifted, decorrelated | 0.8", results)
        self.assertIn("answers of at most 123 tokens", results.lower())
        self.assertIn("none, those of standard", results)
        text = (
            "a\n<!-- study, x: written by benches/methods/study.py -->\nold\n<!-- end of study, x -->\nb\n"
        )
        put = tables.put(text, "x", "| new |")
        self.assertIn("| new |", put)
        self.assertNotIn("old", put)
        self.assertEqual(tables.put(put, "x", "| new |"), put)
        with self.assertRaises(SystemExit):
            tables.put("nothing", "x", "")


class Statistics(unittest.TestCase):
    def test_p_values_are_those_of_the_binomial_test(self):
        for fixed, broken, p in [(0, 0, 1.0), (5, 0, 0.0625), (10, 3, 0.09228515625), (86, 150, 3.715936139571442e-05)]:
            self.assertAlmostEqual(tables.mcnemar(fixed, broken), p, delta=1e-9 + 1e-6 * p)

    def test_the_interval_of_single_runs_is_that_of_their_items(self):
        before = "".join("1" if idx < 230 else "0" for idx in range(500))
        after = "".join("1" if 30 <= idx < 290 else "0" for idx in range(500))
        low, high = tables.crossed([before], [after])
        # Fixed 60 and broken 30 of 500: 0.06 and 1.96 standard errors on either side.
        half = 1.96 * math.sqrt(90 - 30 * 30 / 500) / 500
        self.assertAlmostEqual(low, 0.06 - half, delta=0.004)
        self.assertAlmostEqual(high, 0.06 + half, delta=0.004)


class Files(unittest.TestCase):
    def test_a_journal_survives_a_torn_line(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "journal.jsonl"
            run = Plan(options()).untuned(Model("mini"), "arc")
            RunJournal([file]).add(run, {"secs": 3.0})
            with file.open("a") as out:
                out.write('{"about": {"mod')
            journal = RunJournal([file])
            self.assertIn(run, journal)
            other = Plan(options()).untuned(Model("mini"), "mmlu")
            journal.add(other, {"secs": 5.0})
            again = RunJournal([file])
            self.assertIn(run, again)
            self.assertIn(other, again)
            self.assertEqual(again.secs({"model": "mini", "row": "untuned"}), 5.0)

    def test_the_outcome_of_a_run_is_read_from_its_numbers(self):
        with tempfile.TemporaryDirectory() as folder:
            summary = {"scores": [{"name": "strict", "n_correct": 3, "n_items": 8}], "secs": 1.0}
            summary |= {"written": {"max_new_tokens": 123, "n_items": 8, "n_ended": 6, "n_extracted": 4}}
            records = [
                {"kind": "costs", "trained": 98304, "memory": 1048576},
                {"kind": "step", "step": 1, "secs": 0.5, "tokens": 700},
                {"kind": "validation", "step": 1, "loss": 2.0, "best": True},
                {"kind": "step", "step": 2, "secs": 0.5, "tokens": 900},
                {"kind": "validation", "step": 2, "loss": 3.0, "best": False},
                {"kind": "evaluation", "phase": "After", "summary": summary},
                {"kind": "end", "outcome": {"Diverged": {"step": 3, "detail": "x"}}},
            ]
            text = "\n".join(json.dumps(record) for record in records)
            (Path(folder) / "metrics.jsonl").write_text(text)
            result = outcome(Path(folder))
        self.assertEqual((result["validation_loss"], result["step_ms"], result["diverged"]), (2.0, 500.0, True))
        self.assertEqual((result["right"], result["n"], result["ended"], result["cap"]), (3, 8, 0.75, 123))
        self.assertEqual((result["trained"], result["memory"]), (98304, 1048576))
        # To the best validation, which was after the first of two steps.
        self.assertEqual((result["best_step"], result["best_secs"], result["best_tokens"]), (1, 0.5, 700))

    def test_the_other_benchmarks_are_asked_of_the_state_of_a_run(self):
        devices = [("GpuIndex(3)", "gpu:3"), ("Gpu", "gpu"), ("Cpu", "cpu"), ("Auto", "auto")]
        for ron, text in devices:
            self.assertEqual(cli_device(ron), text)
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            program = folder / "gosling"
            program.write_text(
                "#!/bin/sh\n"
                'echo "$@" >> "$(dirname "$0")/asked"\n'
                'for word; do last="$word"; if [ "$before" = --out ]; then out="$word"; fi; before="$word"; done\n'
                'echo \'{"evaluation": {}}\' > "$out"\n'
                'echo \'{"correct": true, "prompt": "a"}\' >> "$out"\n'
                'echo \'{"correct": false, "prompt": "a"}\' >> "$out"\n'
            )
            program.chmod(0o755)
            run = Plan(options()).tuned(Model("mini"), "arc", rows("arc")[0], {"s0": 0.1}, 1, "forgetting")
            asked = options(gosling=str(program), items=40)
            scored = others(asked, run, folder, "GpuIndex(1)", time.monotonic() + 60)
            self.assertEqual(scored, {"gsm8k": "10", "mmlu": "10", "winogrande": "10"})
            lines = (folder / "asked").read_text().splitlines()
            self.assertEqual(len(lines), 3)
            self.assertTrue(lines[0].startswith(f"eval gsm8k --state {folder} --device gpu:1"), lines[0])
            self.assertIn("--limit 40", lines[0])
            program.write_text("#!/bin/sh\necho no such state >&2\nexit 2\n")
            with self.assertRaisesRegex(OSError, "no such state"):
                others(asked, run, folder, "Cpu", time.monotonic() + 60)


if __name__ == "__main__":
    unittest.main()
