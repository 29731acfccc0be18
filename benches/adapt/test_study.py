"""python3 -m unittest discover benches/adapt"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

sys.path[:0] = [str(Path(__file__).resolve().parents[up]) for up in (0, 1)]

import study_rows
import study_tables
import units
import weights
import workers
from fake import Fake
from kept import Kept


def options(**changes):
    made = {"guide": None, "guided": False, "rows": None, "seeds": [0, 1], "items": None, "trial_items": None}
    return argparse.Namespace(**(made | changes))


def outcome(kind, right, forward=100, name="x"):
    return {"kind": kind, "name": name, "right": right, "cost": {"forward": forward, "trained": 0}}


class Study(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.journal = units.UnitJournal(Path(self.folder.name))
        self.row = study_rows.Row(1, "mmlu", "zero", "Shared", "Information", rates=[0.1, 0.4])

    def tearDown(self):
        self.folder.cleanup()

    def test_the_validation_split_chooses_and_the_test_split_follows(self):
        arguments = options()
        trials = units.missing(self.row, arguments, {}, self.journal)
        self.assertEqual([(unit.rate, unit.is_trial) for unit in trials], [(0.1, True), (0.4, True)])
        self.assertTrue(all("task.split=validation" in unit.set for unit in trials))
        self.journal.add(trials[0], [outcome("Adapted", "1100")], None)
        self.assertEqual([unit.rate for unit in units.missing(self.row, arguments, {}, self.journal)], [0.4])
        self.journal.add(trials[1], [outcome("Adapted", "1110")], None)
        found = units.missing(self.row, arguments, {}, self.journal)
        self.assertEqual([(unit.rate, unit.seed) for unit in found], [(0.4, 0), (0.4, 1)])
        self.assertTrue(all("task.split=test" in unit.set for unit in found))
        # Baselines are measured once.
        self.assertEqual(["baselines.measure=false" in unit.set for unit in found], [False, True])

    def test_a_journal_goes_on_after_a_torn_line(self):
        unit = units.missing(self.row, options(), {}, self.journal)[0]
        self.journal.add(unit, [outcome("Adapted", "10")], None)
        with self.journal.file.open("a") as out:
            out.write('{"key": "torn')
        again = units.UnitJournal(Path(self.folder.name))
        self.assertEqual(list(again.entries), [unit.key])
        # The next entry does not stand behind the torn line.
        other = units.missing(self.row, options(), {}, again)[0]
        again.add(other, [outcome("Adapted", "11")], None)
        third = units.UnitJournal(Path(self.folder.name))
        self.assertEqual(list(third.entries), [unit.key, other.key])

    def test_only_what_costs_no_more_is_a_rival(self):
        entry = {"outcomes": [
            outcome("Base", "1000", 10), outcome("Adapted", "1110", 100), outcome("Baseline", "1100", 90, "vote"),
            outcome("Baseline", "1111", 900, "dear"), outcome("Ceiling", "1111", 90),
        ]}
        self.assertEqual(study_tables.best_rival([entry])["name"], "vote")

    def test_mcnemar_by_hand(self):
        # Five fixed and none broken: 2 / 2^5.
        self.assertAlmostEqual(study_tables.mcnemar("11111", "00000"), 2 / 32)
        self.assertEqual(study_tables.mcnemar("10", "10"), 1.0)

    def test_simulated_guides_stand_apart(self):
        row = study_rows.Row(8, "gsm8k", "zero", "Item", study_rows.single("1.0"), rates=[0.1], guide="Simulated(right: 0.4)")
        for row in [row, study_rows.Row(1, "mmlu", "zero", "Shared", "Information", rates=[0.1])]:
            for unit in units.missing(row, options(), {}, self.journal):
                self.journal.add(unit, [outcome("Base", "10"), outcome("Adapted", "11")], None)
        text = study_tables.tables(self.journal)
        real, simulated = text.split("With a simulated guide")
        self.assertIn("Information", real)
        self.assertNotIn("Simulated", real)
        self.assertIn("Simulated(right: 0.4)", simulated)

    def test_the_number_of_steps_is_chosen_on_the_way(self):
        row = study_rows.Row(1, "mmlu", "zero", "Item", study_rows.single("1.0"), rates=[0.1, 0.2], guide=study_rows.LOCAL, seeds=[0], steps=[2, 4])
        trials = units.missing(row, options(), {}, self.journal)
        for unit in trials:
            # One run of the most steps, scored at every number that is in question.
            self.assertIn("update.steps=4", unit.set)
            self.assertIn("baselines.score_every=2", unit.set)
        # 0.9 after 2 steps of 0.2, then less: the end alone would choose the other rate.
        self.journal.add(trials[0], [outcome("Adapted", "1110")], None, {"2": [7, 10], "4": [8, 10]})
        self.assertIsNone(units.chosen(row, options(), {}, self.journal))
        self.journal.add(trials[1], [outcome("Adapted", "1100")], None, {"2": [9, 10], "4": [5, 10]})
        self.assertEqual(units.chosen(row, options(), {}, self.journal), (0.2, 2))
        found = units.missing(row, options(), {}, self.journal)
        self.assertEqual(["update.steps=2" in unit.set for unit in found], [True])
        self.assertFalse(any("score_every" in change for change in found[0].set))

    def test_scores_on_the_way_are_those_of_all_parts(self):
        folder = Path(self.folder.name)
        curve = [
            {"part": 0, "score": {"step": 2, "n_correct": 3, "n_items": 4}},
            # Begun anew after an interruption: the later one counts.
            {"part": 0, "score": {"step": 2, "n_correct": 4, "n_items": 4}},
            {"part": 0, "score": {"step": 4, "n_correct": 1, "n_items": 4}},
            {"part": 4, "point": {"step": 0}},
        ]
        # The second part stopped after one step, with one right.
        parts = [
            {"first": 0, "curve": [{}] * 4, "items": [{"right": False}] * 4},
            {"first": 4, "curve": [{}], "items": [{"right": True}, {"right": False}]},
        ]
        (folder / "curve.jsonl").write_text("\n".join(map(json.dumps, curve)))
        (folder / "parts.jsonl").write_text("\n".join(map(json.dumps, parts)))
        self.assertEqual(units.scores(folder, [2, 4]), {"2": [5, 6], "4": [2, 6]})
        # Nobody looked after three steps.
        self.assertEqual(units.scores(folder, [3]), {})

    def test_guided_rows_are_of_every_benchmark_and_exponent(self):
        found = [row for row in study_rows.rows(options(guide="x", guided=True)) if not row.is_simulated]
        self.assertTrue(all(row.guide == study_rows.LOCAL for row in found))
        for benchmark in ["gsm8k", "mmlu", "arc"]:
            for mode in ["Item", "Shared"]:
                own = {row.objective for row in found if (row.benchmark, row.mode) == (benchmark, mode)}
                self.assertLessEqual({study_rows.single(x) for x in ["0.0", "0.5", "1.0"]}, own)
        several = {row.objective.split("(")[0] for row in found if row.benchmark == "gsm8k"}
        self.assertLessEqual({"ReverseKl", "ReverseKlExact", "Agreement", "Answer"}, several)
        # Written answers alone take several steps.
        for row in found:
            if row.benchmark != "gsm8k":
                self.assertIn(row.objective.split("(")[0], ["SingleStep", "Soft"])
        # The paper's reward comes first.
        self.assertEqual({row.objective for row in found if row.weight == 1}, {study_rows.single("1.0")})
        simulated = study_rows.rows(options(guide="x", guided=True))[-1]
        self.assertTrue(simulated.is_simulated)

    def test_half_of_what_is_scored_has_a_guide(self):
        row = study_rows.Row(1, "gsm8k", "zero", "Shared", "Answer", ["stops.guide_calls={half}"], [0.1], study_rows.LOCAL)
        calls = lambda is_trial, **changes: [
            change for change in units.Unit(row, 0.1, 0, is_trial, options(**changes), {}).set if "guide_calls" in change
        ]
        self.assertEqual(calls(True), ["stops.guide_calls=100"])
        self.assertEqual(calls(False), ["stops.guide_calls=250"])
        self.assertEqual(calls(False, items=20), ["stops.guide_calls=10"])

    def test_the_parts_of_a_guide_are_joined_once(self):
        folder = Path(self.folder.name)
        parts = folder / "guide"
        parts.mkdir()
        for idx, text in enumerate(["one", "two", "three"]):
            (parts / f"guide.pth.part{idx}").write_text(text)
        made = weights.joined(parts, folder)
        self.assertEqual((made.name, made.read_text()), ("guide.pth", "onetwothree"))
        self.assertEqual(weights.joined(parts, folder), made)
        self.assertEqual(weights.joined(made, folder), made.resolve())
        with self.assertRaises(SystemExit):
            weights.joined(folder / "nowhere", folder)
        row = study_rows.Row(1, "mmlu", "zero", "Item", study_rows.single("1.0"), rates=[0.1], guide=study_rows.LOCAL)
        unit = units.Unit(row, 0.1, 0, False, options(guide_file=made), {})
        self.assertIn(f'guide=Some(Local(checkpoint: File("{made}")))', unit.settings())
        # Where the file lies is no part of what is done.
        self.assertIn('guide=Some(Local(checkpoint: File("{guide}")))', unit.set)

    def test_a_guide_and_its_votes_stand_beside_the_states(self):
        row = study_rows.Row(1, "mmlu", "zero", "Shared", study_rows.single("1.0"), rates=[0.1], guide=study_rows.LOCAL)
        adapted = outcome("Adapted", "1110", 100)
        adapted["parts"] = [
            ["guided questions", {"n_correct": 2, "n_items": 2}], ["other questions", {"n_correct": 1, "n_items": 2}],
            ["copies of the guide", {"n_correct": 1, "n_items": 2}],
        ]
        found = [
            outcome("Base", "1000", 10, "the base"), outcome("Guide", "0010", 0, "the guide itself"), adapted,
            outcome("Baseline", "1100", 10, "calibrated over the set"),
            outcome("Baseline", "1111", 900, "the base, guide's answer as 0.5 of a vote"),
        ]
        for unit in units.missing(row, options(), {}, self.journal):
            self.journal.add(unit, found, None)
        text = study_tables.tables(self.journal)
        line = text.splitlines()[-1]
        for part in ["| 0.250 | 0.250 | 0.750", "1.000 / 0.500", "| 0.500 | 25 |", "1.000 the base, guide's answer as 0.5 of a vote"]:
            self.assertIn(part, line)
        # What costs more than the adaptation is no rival at equal cost.
        self.assertIn("| 0.500 calibrated over the set |", line)

    def test_every_line_of_a_specification_is_json(self):
        for row in study_rows.rows(options()):
            unit = units.Unit(row, row.rates[0], 0, True, options(), {"gsm8k": "a", "mmlu": "b"})
            json.loads(json.dumps(unit.set))
            # Where the base lies is no part of what is done.
            moved = units.Unit(row, row.rates[0], 0, True, options(), {"gsm8k": "c", "mmlu": "d"})
            self.assertEqual(unit.key, moved.key)
            self.assertEqual(unit.settings() != moved.settings(), row.base == "tuned")


class Processes(unittest.TestCase):
    """With a program that only speaks as Gosling does."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.out = Path(self.folder.name) / "study"
        rates = [0.1, 0.4]
        self.rows = [
            study_rows.Row(1, "mmlu", "zero", "Shared", "Information", rates=rates),
            study_rows.Row(2, "arc", "zero", "Shared", "Information", rates=rates),
        ]

    def tearDown(self):
        self.folder.cleanup()

    def go(self, fake, **changes):
        """Does the rows; whether all is done, and the workers."""
        made = {"gosling": fake.program, "device": "cpu", "gpus": None, "jobs": 1, "budget": None, "out": self.out}
        arguments = options(**(made | {"started": time.monotonic()} | changes))
        self.journal = units.UnitJournal(self.out)
        at_work = workers.Workers(arguments, self.journal, self.rows)
        with contextlib.redirect_stderr(io.StringIO()):
            return at_work.go(), at_work

    def test_one_process_does_all_rows(self):
        fake = Fake(self.folder.name)
        is_done, _ = self.go(fake)
        self.assertTrue(is_done)
        # Two rates and two seeds of each row.
        self.assertEqual((fake.n_processes(), fake.n_requests()), (1, 8))
        entries = list(self.journal.entries.values())
        self.assertEqual([(e["rate"], e["seed"]) for e in entries if not e["trial"]], [(0.4, 0), (0.4, 1)] * 2)
        # The first row whole before the second.
        self.assertEqual([e["row"] for e in entries], [row.name for row in self.rows for _ in range(4)])
        self.assertTrue(all(e["secs"] >= 0 for e in entries))
        self.assertEqual(self.go(fake)[0], True)
        self.assertEqual(fake.n_processes(), 1)

    def test_a_process_that_dies_costs_the_adaptation_that_was_on(self):
        fake = Fake(self.folder.name, [(2, "dies")])
        is_done, at_work = self.go(fake)
        self.assertTrue(is_done)
        self.assertEqual((fake.n_processes(), fake.n_requests(), at_work.failed), (2, 9, {}))
        fake = Fake(self.folder.name, [(10, "dies"), (11, "dies")])
        self.rows.append(study_rows.Row(3, "gsm8k", "zero", "Shared", "Entropy", rates=[0.4]))
        is_done, at_work = self.go(fake)
        self.assertFalse(is_done)
        self.assertEqual(len(at_work.failed), 1)
        # What failed is no figure, and is tried again.
        self.assertEqual(sum(e["row"].startswith("gsm8k") for e in self.journal.entries.values()), 1)
        self.assertTrue(self.go(fake)[0])

    def test_what_is_done_is_in_the_journal_when_the_time_is_up(self):
        fake = Fake(self.folder.name, [(3, "hangs")])
        start = time.monotonic()
        with mock.patch.object(Kept.interrupt, "__defaults__", (0.5,)):
            is_done, at_work = self.go(fake, budget=3.0)
        self.assertFalse(is_done)
        self.assertLess(time.monotonic() - start, 20.0)
        self.assertEqual((len(self.journal.entries), at_work.failed), (2, {}))

    def test_processes_share_the_units(self):
        fake = Fake(self.folder.name)
        self.assertTrue(self.go(fake, jobs=3)[0])
        self.assertEqual(fake.n_requests(), 8)
        self.assertLessEqual(fake.n_processes(), 3)


if __name__ == "__main__":
    unittest.main()
