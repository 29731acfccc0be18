"""python3 -m unittest discover benches/chats"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[up]) for up in (0, 1)]

import study
from fake import Fake


class Texts(unittest.TestCase):
    def test_prompts_are_those_of_the_mini_protocol(self):
        arc = study.given("arc")
        self.assertEqual(len(arc), 2000)
        self.assertEqual(
            arc[0],
            {
                "id": "MINI_00001",
                "prompt": "Question: Which word means a belief that can guide behavior?\nAnswer:",
                "completion": " theory\n\n",
            },
        )
        written = study.given("gsm8k")[0]
        self.assertEqual(written["id"], "train/1")
        self.assertTrue(written["prompt"].endswith("?\nAnswer:"))
        self.assertTrue(written["completion"].startswith(" 13+15 = ") and written["completion"].endswith("#### 34\n\n"))

    def test_the_table_tells_what_is_missing(self):
        entries = [
            {"benchmark": "arc", "row": "a", "seed": seed, "right": 3, "n": 4, "steps": 7 + seed} for seed in range(2)
        ]
        text = study.table(entries, ["arc", "gsm8k"], ["a", "b"], 3)
        lines = text.splitlines()
        self.assertEqual(lines[0], "| | arc-mini | gsm8k-mini |")
        self.assertIn("0.75", lines[2])
        self.assertIn("(steps 7, 8) (2 seeds)", lines[2])
        self.assertEqual(lines[3], "| b |  |  |")

    def test_numbers_are_read_from_the_log_of_a_run(self):
        with tempfile.TemporaryDirectory() as folder:
            lines = [
                {"kind": "step", "step": 1},
                {"kind": "validation", "loss": 2.5},
                {"kind": "step", "step": 9},
                {"kind": "validation", "loss": "NaN"},
                {"kind": "validation", "loss": 1.5},
            ]
            folder = Path(folder)
            (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            self.assertEqual(study.last_step(folder), 9)
            self.assertEqual(study.best_loss(folder), 1.5)


class Processes(unittest.TestCase):
    """With a program that only speaks as Gosling does."""

    def go(self, folder, fake, **changes):
        made = {
            "what": "small", "gosling": str(fake.program), "out": Path(folder) / "out", "device": "cpu", "budget": None,
            "benchmarks": ["arc"], "seeds": 2, "steps": None, "rate": None, "sizes": [16], "fixed": [20],
        }
        study_ = study.Study(argparse.Namespace(**(made | changes)))
        with contextlib.redirect_stdout(io.StringIO()) as said:
            study_.go()
        return study_, said.getvalue()

    def test_one_process_tunes_and_scores_all_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            fake = Fake(folder)
            study_, said = self.go(folder, fake)
            self.assertEqual(study_.failed, [])
            self.assertEqual((fake.n_processes(), fake.n_requests(), len(study_.journal.entries)), (1, 4, 4))
            entry = study_.journal.entries[("arc", "16: 20 steps, fixed", 1)]
            self.assertEqual((entry["right"], entry["n"], entry["steps"]), (7, 10, 1))
            request = json.loads(fake.lines("requests")[1])
            self.assertEqual((request["preset"], request["score"]), ("standard", ["arc"]))
            for field in ["training.steps=20", "training.seed=0", "data.held_out=None", "evaluation.after=false"]:
                self.assertIn(field, request["set"])
            source = next(field for field in request["set"] if field.startswith("data.source="))
            file = study_.out / "arc-16-0.jsonl"
            self.assertEqual(source, f'data.source=Jsonl(train: "{file}", template: Plain)')
            self.assertEqual(len(file.read_text().splitlines()), 16)
            self.assertIn("0.700", said)

    def test_what_a_dying_process_was_at_is_left_out_and_done_by_the_same_command(self):
        with tempfile.TemporaryDirectory() as folder:
            fake = Fake(folder, [(2, "dies")])
            study_, said = self.go(folder, fake)
            self.assertEqual((len(study_.journal.entries), len(study_.failed)), (3, 1))
            self.assertIn("exited without an error message", said)
            study_, _ = self.go(folder, fake)
            self.assertEqual((len(study_.journal.entries), study_.failed, fake.n_requests()), (4, [], 5))

    def test_what_the_program_refuses_is_told_and_no_figure(self):
        with tempfile.TemporaryDirectory() as folder:
            fake = Fake(folder)
            study_, said = self.go(folder, fake, rate=1e9)
            self.assertEqual(study_.journal.entries, {})
            self.assertIn("must be at most 100", said)
            self.assertEqual(fake.n_processes(), 1)


if __name__ == "__main__":
    unittest.main()
