"""Writes tokenizer.json: token ids by the reference tokenizers.

usage: pip install rwkv==0.8.32 --no-deps; python3 tokenizer.py
The mini vocabulary is read by assets/mini/recipe/vocab_py.py, the World
vocabulary by the tokenizer of the `rwkv` package.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ASSETS = os.path.join(HERE, "..", "..", "assets")
sys.path.insert(0, os.path.join(ASSETS, "mini", "recipe"))
import vocab_py
from rwkv.rwkv_tokenizer import TRIE_TOKENIZER

TEXTS = [
    "",
    " ",
    "\n",
    "\n\n",
    "\n\n\n",
    "\r\n\t \x00\x7f",
    "a",
    "Hello, world!",
    "The quick brown fox jumps over the lazy dog.",
    "Question: Rose collected 15 cookies on Monday and 2 on Tuesday, then lost 1. How many cookies remain?\nAnswer:",
    " 15+2 = <<15+2=17>>17\n17-1 = <<17-1=16>>16\n#### 16\n\n",
    "1234567890 3.14159 -1,000,000 $5.00 50%",
    "The following are multiple choice questions (with answers) about biology.\n\nWhat?\nA. x\nB. y\nC. z\nD. w\nAnswer:",
    " A", " B", " C", " D", "A\n\n",
    "User: hi\n\nAssistant: hello\n\n",
    "it's \"quoted\" 'single' \\ back\\slash",
    "naïve café Žluťoučký kůň",
    "Привет, мир! Как дела?",
    "你好，世界。今天天气怎么样？",
    "日本語のテキスト、カタカナ、ひらがな。",
    "안녕하세요 세계",
    "مرحبا بالعالم",
    "שלום עולם",
    "नमस्ते दुनिया",
    "😀😃🎉 👩‍👩‍👧‍👦 🇩🇪 ❤️",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0010ffff \u200b\ufeff",
    "e\u0301 vs \u00e9",
    "    indented\n        twice\n\tand a tab",
    "def f(x):\n    return x ** 2  # comment\n\n\nclass A:\n    pass\n",
    "<div class=\"a\">&nbsp;</div>",
    "https://example.com/a/b?c=d&e=f#g",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "----------------================================________________",
    "                                                                                 ",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "UPPER lower MiXeD snake_case camelCase kebab-case",
    "x = {1: [2, 3], \"k\": None}; y += 1",
    "∑ ∫ √ ≤ ≥ ≠ ∞ π α β γ",
]


def cases(encode):
    return [{"text": text, "ids": list(encode(text))} for text in TEXTS]


def lines(name, rows):
    body = ",\n".join("  " + json.dumps(row) for row in rows)
    return f' "{name}": [\n{body}\n ]'


mini = vocab_py.Tok(os.path.join(ASSETS, "vocab", "rwkv_vocab_mini.txt"))
world = TRIE_TOKENIZER(os.path.join(ASSETS, "vocab", "rwkv_vocab_v20230424.txt"))
with open(os.path.join(HERE, "tokenizer.json"), "w", encoding="utf-8") as out:
    out.write("{\n" + lines("mini", cases(mini)) + ",\n" + lines("world", cases(world.encode)) + "\n}\n")
