"""Runs an RWKV-7 model from the tuned state @FILE@.

    pip install "rwkv>=0.8" torch
    python @SCRIPT@ path/to/model.pth "@EXAMPLE@"

The state belongs to the model that it was tuned for@MODEL@. The prompt is put where prompts
stood in training (@TEMPLATE@), and the text begins @START@, as it did there.
"""

import argparse
import ast
import contextlib
import hashlib
import os
import struct
import sys

os.environ["RWKV_V7_ON"] = "1"  # before rwkv is imported
os.environ.setdefault("RWKV_JIT_ON", "1")
os.environ.setdefault("RWKV_CUDA_ON", "0")

import torch

with contextlib.redirect_stdout(sys.stderr):  # the package has its say
    import rwkv
    from rwkv.model import RWKV

HERE = os.path.dirname(os.path.abspath(__file__))
STATE_FILE = os.path.join(HERE, @FILE_LITERAL@)
# What stands in front of a text: token 0 or nothing.
IN_FRONT = @IN_FRONT@
# What stands around a prompt.
BEFORE = @BEFORE@
AFTER = @AFTER@
# Whether the prompt is trimmed and its blank lines become line ends.
ONE_PARAGRAPH = @ONE_PARAGRAPH@
# An answer ends before any of these, and with token 0.
STOPS = @STOPS@
# The vocabulary: a file beside this script, or the World vocabulary of the rwkv package.
VOCABULARY_FILE = @VOCABULARY@
VOCABULARY_SHA256 = @VOCABULARY_SHA256@
PROMPT_PART = 256


class Tokenizer:
    """A vocabulary file of RWKV: the longest token that the rest of a text begins with."""

    def __init__(self, path):
        self.tokens = {}
        with open(path, encoding="utf-8", newline="\n") as lines:
            for line in lines:
                line = line.rstrip("\r\n")
                if line:
                    token = ast.literal_eval(line[line.index(" ") : line.rindex(" ")].strip())
                    token = token.encode() if isinstance(token, str) else token
                    self.tokens[int(line[: line.index(" ")])] = token
        self.ids = {token: id for id, token in self.tokens.items()}
        self.longest = max(map(len, self.ids))

    def sha256(self):
        """The hash of what every id stands for, however the file was written."""
        hash = hashlib.sha256()
        for id, token in sorted(self.tokens.items()):
            hash.update(struct.pack("<II", id, len(token)) + token)
        return hash.hexdigest()

    def encode(self, text):
        data, at, ids = text.encode(), 0, []
        while at < len(data):
            n = min(self.longest, len(data) - at)
            while data[at : at + n] not in self.ids:
                n -= 1
            ids.append(self.ids[data[at : at + n]])
            at += n
        return ids

    def decode(self, ids):
        return b"".join(self.tokens.get(id, b"") for id in ids).decode(errors="replace")


def load_tokenizer():
    if VOCABULARY_FILE is None:
        path = os.path.join(os.path.dirname(rwkv.__file__), "rwkv_vocab_v20230424.txt")
    else:
        path = os.path.join(HERE, VOCABULARY_FILE)
    tokenizer = Tokenizer(path)
    if VOCABULARY_SHA256 not in (None, tokenizer.sha256()):
        sys.exit(f"{path} is not the vocabulary that the state was tuned with; its hash differs")
    return tokenizer


def load_state(model, path=STATE_FILE):
    """A fresh state for model.forward, which changes it: call this for each text.

    Beside its matrix a layer has the last inputs of time mixing and of channel mixing.
    They are zero before a text unless the file has them, since they were tuned too.
    """
    tuned = torch.load(path, map_location="cpu", weights_only=True)
    like = model.z["blocks.0.ln1.weight"]
    state = []
    for i in range(model.args.n_layer):
        # [head, value, key], float32, not transposed.
        wkv = tuned[f"blocks.{i}.att.time_state"].to(like.device, torch.float32)
        shifts = [tuned.get(f"blocks.{i}.{of}.ts_state", torch.zeros_like(like)) for of in ("att", "ffn")]
        att, ffn = [shift.to(like.device, like.dtype).clone() for shift in shifts]
        state += [att, wkv.contiguous(), ffn]
    return state


def around(prompt):
    """The prompt as prompts stood in training."""
    if ONE_PARAGRAPH:
        prompt = prompt.replace("\r\n", "\n")
        while "\n\n" in prompt:
            prompt = prompt.replace("\n\n", "\n")
        prompt = prompt.strip()
    return BEFORE + prompt + AFTER


def write(model, tokenizer, text, max_tokens):
    """What the model writes after `text`, always the likeliest token."""
    tokens = IN_FRONT + tokenizer.encode(text) or [0]
    state = load_state(model)
    for at in range(0, len(tokens), PROMPT_PART):
        logits, state = model.forward(tokens[at : at + PROMPT_PART], state)
    written = []
    while len(written) < max_tokens:
        token = int(logits.argmax())
        if token == 0:
            break
        written.append(token)
        answer = tokenizer.decode(written)
        ends = [answer.index(stop) for stop in STOPS if stop in answer]
        if ends:
            return answer[: min(ends)]
        logits, state = model.forward([token], state)
    return tokenizer.decode(written)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="the .pth of the model that the state was tuned for")
    parser.add_argument("prompt")
    parser.add_argument("strategy", nargs="?", default="cpu fp32", help='such as "cuda fp16"')
    parser.add_argument("--max-tokens", type=int, default=200)
    parser.add_argument("--plain", action="store_true", help="put nothing around the prompt")
    arguments = parser.parse_args()
    tokenizer = load_tokenizer()
    with contextlib.redirect_stdout(sys.stderr):
        model = RWKV(model=arguments.model.removesuffix(".pth"), strategy=arguments.strategy)
    text = arguments.prompt if arguments.plain else around(arguments.prompt)
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    print(write(model, tokenizer, text, arguments.max_tokens))
