"""Runs by processes that stay, with a program that only speaks as Gosling does."""

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

import forecast
import kept
from engine import Engine, RunJournal
from fake import Fake
from rows import Model, Plan, Units


class Engines(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.out = Path(self.folder.name) / "study"

    def tearDown(self):
        self.folder.cleanup()

    def options(self, fake, **changes):
        made = {
            "trials": 4, "seeds": 2, "choose": "accuracy", "winner": None, "search_all": False, "steps": 300,
            "batch": 32, "validate_every": 50, "validation_limit": 100, "trial_items": None, "items": None,
            "devices": ["Cpu"], "jobs": 1, "out": self.out, "gosling": str(fake.program), "keep": False,
            "budget": None, "started": time.monotonic(),
        }
        return argparse.Namespace(**(made | changes))

    def go(self, fake, names=("standard",), **changes):
        """Does a study of some rows; whether it is done, the engine, and what was said."""
        options = self.options(fake, **changes)
        models = [Model("mini")]
        units = Units(Plan(options), models, ["gsm8k"], [], list(names))
        journal = RunJournal([self.out / "journal.jsonl"])
        engine, said = Engine(options, journal, units, models), io.StringIO()
        with contextlib.redirect_stdout(said):
            is_done = engine.go()
        return is_done, engine, said.getvalue()

    def entries(self):
        return [json.loads(line) for line in (self.out / "journal.jsonl").read_text().splitlines()]

    def test_one_process_does_all_runs_of_a_row(self):
        fake = Fake(self.folder.name)
        is_done, _, said = self.go(fake)
        entries = self.entries()
        self.assertTrue(is_done, said)
        self.assertEqual(fake.n_processes(), 1)
        self.assertEqual(fake.n_requests(), len(entries))
        tests = [entry for entry in entries if entry["about"]["part"] == "test"]
        self.assertEqual([entry["about"]["seed"] for entry in tests], [0, 1])
        # The rate with the most right answers.
        self.assertEqual({entry["about"]["rates"]["s0"] for entry in tests}, {0.8})
        self.assertEqual(tests[0]["result"]["items"], "1111111110")
        self.assertEqual(tests[0]["result"]["processes"], 1)
        # The same command has nothing left to do, and starts nothing.
        is_done, _, _ = self.go(fake)
        self.assertTrue(is_done)
        self.assertEqual(fake.n_processes(), 1)
        self.assertFalse((self.out / "runs").exists())

    def test_a_process_that_dies_or_fails_in_its_second_run_costs_that_run_and_no_other(self):
        for what in ["dies", "fails"]:
            with self.subTest(what), tempfile.TemporaryDirectory() as folder:
                self.out = Path(folder) / "study"
                fake = Fake(folder, [(2, what)])
                is_done, engine, said = self.go(fake)
                self.assertTrue(is_done, said)
                self.assertEqual((fake.n_processes(), engine.failed), (2, {}))
                # Asked for once more, and nothing else twice.
                self.assertEqual(fake.n_requests(), len(self.entries()) + 1)
                self.assertEqual(said.count("once more"), 1)

    def test_a_process_that_hangs_is_ended(self):
        fake = Fake(self.folder.name, [(3, "hangs")])
        with mock.patch.object(kept.Kept.ask, "__defaults__", (float("inf"), None, 1.5)):
            is_done, _, said = self.go(fake)
        self.assertTrue(is_done, said)
        self.assertEqual(fake.n_processes(), 2)
        self.assertIn("said nothing for 2 s", said)

    def test_a_run_that_fails_twice_is_left_out_in_this_session(self):
        fake = Fake(self.folder.name, [(1, "dies"), (2, "dies")])
        is_done, engine, said = self.go(fake)
        self.assertEqual(len(engine.failed), 1)
        self.assertIn("failed, its process exited", said)
        # The search waits for it, and the next session tries again.
        self.assertEqual({entry["about"]["part"] for entry in self.entries()}, {"trial"})
        is_done, engine, said = self.go(fake)
        self.assertTrue(is_done, said)
        self.assertEqual(engine.failed, {})

    def test_what_is_measured_is_in_the_journal_when_the_time_is_up(self):
        fake = Fake(self.folder.name, [(3, "hangs")])
        started = time.monotonic()
        with mock.patch("engine.UNKNOWN_SECS", 0.0):
            is_done, engine, _ = self.go(fake, budget=6.0)
        self.assertFalse(is_done)
        self.assertLess(time.monotonic() - started, 20.0)
        self.assertEqual(len(self.entries()), 2)
        self.assertEqual((engine.busy, engine.failed), (set(), {}))

    def test_several_processes_share_the_runs(self):
        fake = Fake(self.folder.name)
        is_done, _, said = self.go(fake, names=("standard", "lifted"), jobs=3, seeds=3)
        self.assertTrue(is_done, said)
        self.assertLessEqual(fake.n_processes(), 3)
        specs = [entry["spec"] for entry in self.entries()]
        self.assertEqual(len(specs), len(set(specs)))
        self.assertEqual(fake.n_requests(), len(specs))


class Orders(unittest.TestCase):
    """Which run is next, and what is left."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.journal = RunJournal([Path(self.folder.name) / "journal.jsonl"])
        options = argparse.Namespace(
            trials=4, seeds=2, choose="accuracy", winner=None, search_all=False, steps=300, batch=32,
            validate_every=50, validation_limit=100, trial_items=None, items=None,
        )
        names = ["standard", "lifted", "scalar R", "standard, 16 examples"]
        self.units = Units(Plan(options), [Model("mini")], ["gsm8k"], [], names)

    def tearDown(self):
        self.folder.cleanup()

    def do(self, run, secs=10.0):
        off = abs(run.about["rates"]["s0"] - 0.8)
        result = {"diverged": False, "validation_loss": 1.0 + off, "right": 9, "n": 10, "secs": secs}
        self.journal.add(run, result)

    def test_a_row_that_was_begun_comes_before_others(self):
        scalar = self.units.by_key[("mini", "gsm8k", "scalar R")]
        first = scalar.next_runs(self.journal, self.units.by_key)[0]
        self.assertEqual(forecast.next_run(self.units, self.journal, set()).about["row"], "standard")
        self.do(first)
        rows = []
        while (run := forecast.next_run(self.units, self.journal, set())) is not None:
            rows.append((run.about["row"], run.about["part"]))
            self.do(run)
        order = list(dict.fromkeys(row for row, _ in rows))
        self.assertEqual(order, ["scalar R", "standard", "lifted", "standard, 16 examples"])
        # Each without a gap, its trials first.
        self.assertEqual([row for row, _ in rows], [row for row in order for of, _ in rows if of == row])
        self.assertEqual([part for row, part in rows if row == "lifted"][-2:], ["test", "test"])

    def test_what_is_left_is_what_is_then_done(self):
        left = {row.row: (row.trials, row.tests) for row in forecast.left_of(self.units, self.journal)}
        self.assertEqual(left["standard"], (4, 2))
        self.assertEqual(left["standard, 16 examples"], (0, 2))
        for _ in range(5):
            self.do(forecast.next_run(self.units, self.journal, set()))
        found = forecast.left_of(self.units, self.journal)
        # Its row is the first, and was measured.
        self.assertEqual((found[0].row, found[0].begun), ("standard", True))
        n_left = found[0].trials + found[0].tests
        n_done = 0
        while (run := forecast.next_run(self.units, self.journal, set())).about["row"] == "standard":
            n_done += 1
            self.do(run)
        self.assertEqual(n_done, n_left)
        while (run := forecast.next_run(self.units, self.journal, set())) is not None:
            self.do(run)
        self.assertEqual(forecast.lines(self.units, self.journal, 1), ["nothing is left"])

    def test_seconds_are_those_of_the_runs_that_are_most_alike(self):
        standard = self.units.by_key[("mini", "gsm8k", "standard")]
        for run, secs in zip(standard.next_runs(self.journal, self.units.by_key), [10.0, 30.0, 20.0]):
            self.do(run, secs)
        found = {row.row: row for row in forecast.left_of(self.units, self.journal)}
        # The median, of its own trials and for its seeds too.
        row = found["standard"]
        self.assertEqual(row.secs, 20.0 * (row.trials + row.tests))
        self.assertEqual(row.basis, "as its other runs")
        self.assertEqual((found["standard, 16 examples"].secs, found["lifted"].basis), (40.0, "as other rows of the model"))
        lines = forecast.lines(self.units, self.journal, 4)
        n_runs = sum(row.trials + row.tests for row in found.values())
        self.assertTrue(lines[-1].startswith(f"{n_runs} runs are left, "), lines[-1])
        total = sum(row.secs for row in found.values())
        self.assertIn(f"{forecast.duration(total / 4)} with 4 processes", lines[-1])


if __name__ == "__main__":
    unittest.main()
