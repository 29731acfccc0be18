"""python3 -m unittest discover benches/adapt"""

import argparse
import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import study


def options(**changes):
    made = {"guide": None, "seeds": [0, 1], "items": None, "trial_items": None}
    return argparse.Namespace(**(made | changes))


def outcome(kind, right, forward=100, name="x"):
    return {"kind": kind, "name": name, "right": right, "cost": {"forward": forward, "trained": 0}}


class Study(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.journal = study.UnitJournal(Path(self.folder.name))
        self.row = study.Row(1, "mmlu", "zero", "Shared", "Information", rates=[0.1, 0.4])

    def tearDown(self):
        self.folder.cleanup()

    def test_the_validation_split_chooses_and_the_test_split_follows(self):
        arguments = options()
        trials = study.missing(self.row, arguments, {}, self.journal)
        self.assertEqual([(unit.rate, unit.is_trial) for unit in trials], [(0.1, True), (0.4, True)])
        self.assertTrue(all("task.split=validation" in unit.set for unit in trials))
        self.journal.add(trials[0], [outcome("Adapted", "1100")], None)
        self.assertEqual([unit.rate for unit in study.missing(self.row, arguments, {}, self.journal)], [0.4])
        self.journal.add(trials[1], [outcome("Adapted", "1110")], None)
        units = study.missing(self.row, arguments, {}, self.journal)
        self.assertEqual([(unit.rate, unit.seed) for unit in units], [(0.4, 0), (0.4, 1)])
        self.assertTrue(all("task.split=test" in unit.set for unit in units))
        # Baselines are measured once.
        self.assertEqual(["baselines.measure=false" in unit.set for unit in units], [False, True])

    def test_a_journal_goes_on_after_a_torn_line(self):
        unit = study.missing(self.row, options(), {}, self.journal)[0]
        self.journal.add(unit, [outcome("Adapted", "10")], None)
        with self.journal.file.open("a") as out:
            out.write('{"key": "torn')
        again = study.UnitJournal(Path(self.folder.name))
        self.assertEqual(list(again.entries), [unit.key])
        # The next entry does not stand behind the torn line.
        other = study.missing(self.row, options(), {}, again)[0]
        again.add(other, [outcome("Adapted", "11")], None)
        third = study.UnitJournal(Path(self.folder.name))
        self.assertEqual(list(third.entries), [unit.key, other.key])

    def test_only_what_costs_no_more_is_a_rival(self):
        entry = {"outcomes": [
            outcome("Base", "1000", 10), outcome("Adapted", "1110", 100), outcome("Baseline", "1100", 90, "vote"),
            outcome("Baseline", "1111", 900, "dear"), outcome("Ceiling", "1111", 90),
        ]}
        self.assertEqual(study.best_rival([entry])["name"], "vote")

    def test_mcnemar_by_hand(self):
        # Five fixed and none broken: 2 / 2^5.
        self.assertAlmostEqual(study.mcnemar("11111", "00000"), 2 / 32)
        self.assertEqual(study.mcnemar("10", "10"), 1.0)

    def test_simulated_guides_stand_apart(self):
        row = study.Row(8, "gsm8k", "zero", "Item", study.single("Is(1.0)"), rates=[0.1], guide="Simulated(right: 0.4)")
        for row in [row, study.Row(1, "mmlu", "zero", "Shared", "Information", rates=[0.1])]:
            for unit in study.missing(row, options(), {}, self.journal):
                self.journal.add(unit, [outcome("Base", "10"), outcome("Adapted", "11")], None)
        text = study.tables(self.journal)
        real, simulated = text.split("With a simulated guide")
        self.assertIn("Information", real)
        self.assertNotIn("Simulated", real)
        self.assertIn("Simulated(right: 0.4)", simulated)

    def test_every_line_of_a_specification_is_json(self):
        for row in study.rows(options()):
            unit = study.Unit(row, row.rates[0], 0, True, options(), {"gsm8k": "a", "mmlu": "b"})
            json.loads(json.dumps(unit.set))
            # Where the base lies is no part of what is done.
            moved = study.Unit(row, row.rates[0], 0, True, options(), {"gsm8k": "c", "mmlu": "d"})
            self.assertEqual(unit.key, moved.key)
            self.assertEqual(unit.settings() != moved.settings(), row.base == "tuned")


if __name__ == "__main__":
    unittest.main()
