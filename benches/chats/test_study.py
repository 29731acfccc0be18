"""python3 -m unittest discover benches/chats"""

import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import study


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


if __name__ == "__main__":
    unittest.main()
