"""Makes small tokenizer.json of the kinds that models bring, and what the `tokenizers` package gives for some texts.

    pip install tokenizers
    python tests/golden/bpe/make.py      # the files beside this script
"""
import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = Path(__file__).resolve().parent
CORPUS = [
    "The birds sang in the morning, and the geese flew south over 1234 hills.",
    "It's what they'll say: we've 12 of 365 days, don't we? I'M SURE!",
    "Der Gänserich flog über die Straße nach Süden; naïve café, façade.",
    "def f(x):\n    return x * 2\n\nprint(f(21))  # 42\n",
    "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。",
    "a  b   c\t\td\n\n\n  e",
] * 4
TEXTS = [
    "", " ", "a", " a", "  a", "The birds sang.", "It's 12345 days\n\n  since   then  ", "we'LL don't I'm", "café naïve Süden",
    "cafe\u0301", "天地玄黄 and 荒", "\u00a0x\u2003y", "x\r\ny\n", "  \n  x", "def f(x):\n\treturn x**2", "😀 ok 👩‍👩‍👧", "½ ² Ⅷ ٣",
    "<|im_start|>user\nhi<|im_end|>", "a<|endoftext|>b", "<|im_start|><|im_start|>", "<s> x </s>", "▁ \u2581x", "the the the",
    "aaaaaaaaaaaaaaaa", "Zürich-Straße\u200b", "'s 's", "ſ'ſ 'S", "1234567890", "\x00\x07\x7f", "e\u0301\u0327",
]
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+")


def byte_level(name, pre_tokenizer, normalizer=None, size=420):
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer, decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    # Behind the vocabulary, as released models have them.
    for text in ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]:
        tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False)])
    return name, json.loads(tokenizer.to_str())


def characters(name, split):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=split)
    trainer = trainers.BpeTrainer(vocab_size=300, show_progress=False, special_tokens=["<unk>", "<s>", "</s>"])
    tokenizer.train_from_iterator(CORPUS, trainer)
    says = json.loads(tokenizer.to_str())
    # The bytes come between the special tokens and the rest, as in Llama 2.
    order = sorted(says["model"]["vocab"], key=says["model"]["vocab"].get)
    order = order[:3] + [f"<0x{byte:02X}>" for byte in range(256)] + order[3:]
    says["model"]["vocab"] = {token: idx for idx, token in enumerate(order)}
    says["model"]["byte_fallback"] = True
    if split:
        says["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True}
    else:
        says["pre_tokenizer"] = None
        says["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    says["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]}
    return name, says


def main():
    split = pre_tokenizers.Split(Regex(QWEN), behavior="isolated", invert=False)
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    kinds = [
        byte_level("qwen", pre_tokenizers.Sequence([split, level]), normalizers.NFC()),
        byte_level("gpt2", pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)),
        byte_level("digits", pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                      pre_tokenizers.ByteLevel(add_prefix_space=False)])),
        characters("mistral", split=False),
        characters("metaspace", split=True),
    ]
    for name, says in kinds:
        if name == "gpt2":  # merges as lines, as older files have them
            says["model"]["merges"] = [" ".join(pair) for pair in says["model"]["merges"]]
        if name == "digits":  # as Llama 3 has it
            says["model"]["ignore_merges"] = True
        text = json.dumps(says, ensure_ascii=False, separators=(",", ":"))
        (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        tokenizer = Tokenizer.from_str(text)
        cases = []
        for of in TEXTS + CORPUS[:6]:
            ids = tokenizer.encode(of, add_special_tokens=False).ids
            cases.append({"text": of, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)})
        out = json.dumps(cases, ensure_ascii=False, separators=(",", ":"))
        (HERE / f"{name}.cases.json").write_text(out + "\n", encoding="utf-8")
        print(name, tokenizer.get_vocab_size(), sum(len(case["ids"]) for case in cases))


main()
