"""Loads an exported state with the real rwkv package and compares logits. Exit code 1 above the tolerance of 1e-3.

    python tests/golden/check_export.py MODEL.pth STATE.pth TOKENS_JSON LOGITS_JSON

STATE.pth holds blocks.{i}.att.time_state [head, value, key] for every layer and nothing else. TOKENS_JSON is a file with
a list of token ids; LOGITS_JSON a file with the logits of every position [T][V], or of the last position only [V].
"""
import json
import os
import sys
import warnings

os.environ.update(RWKV_V7_ON="1", RWKV_JIT_ON="0", RWKV_CUDA_ON="0")  # read when rwkv is imported
warnings.filterwarnings("ignore", category=FutureWarning)

import torch

TOLERANCE = 1e-3


def main(model_path, state_path, tokens_path, logits_path):
    from rwkv.model import RWKV

    model = RWKV(model_path.removesuffix(".pth"), "cpu fp32")
    tuned = torch.load(state_path, map_location="cpu", weights_only=True)
    expected_keys = {f"blocks.{i}.att.time_state" for i in range(model.n_layer)}
    assert set(tuned) == expected_keys, f"keys differ: {sorted(set(tuned) ^ expected_keys)}"
    state = model.generate_zero_state()
    for i in range(model.n_layer):
        time_state = tuned[f"blocks.{i}.att.time_state"].float()
        assert time_state.shape == state[i * 3 + 1].shape, f"layer {i}: {tuple(time_state.shape)}"
        state[i * 3 + 1] = time_state

    with open(tokens_path) as f:
        tokens = json.load(f)
    with open(logits_path) as f:
        given = torch.tensor(json.load(f), dtype=torch.float32)
    logits, _ = model.forward(tokens, state, True)
    logits = logits.view(len(tokens), -1)  # one token alone comes back as [V]
    logits = logits[-1] if given.dim() == 1 else logits
    assert given.shape == logits.shape, f"logits {tuple(given.shape)}, expected {tuple(logits.shape)}"
    difference = (given - logits).abs().max().item()
    print(f"max abs difference {difference:.3e} over {logits.numel()} logits")
    return 0 if difference <= TOLERANCE else 1  # NaN fails


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
