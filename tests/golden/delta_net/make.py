"""Makes a small random Gated DeltaNet and what PyTorch says of it; ../README.md says what is in the files.

    pip install numpy torch safetensors
    python tests/golden/delta_net/make.py             # the files beside this script
    python tests/golden/delta_net/make.py check DIR   # held against a trained model: the loss of its first tokens

The layer is written out from the equations of the paper (arXiv 2412.06464) and of fla's naive recurrence
(fla/ops/gated_delta_rule/naive.py), in f64, token by token; PyTorch's autograd gives the gradients.
"""
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

HERE = Path(__file__).resolve().parent
LAYERS, WIDTH, INNER, VOCAB, TAPS = 2, 32, 48, 64, 4
EPS, L2_EPS = 1e-5, 1e-6


@dataclass
class Sizes:
    """Heads and channels of keys, heads and channels of values."""
    heads: int = 2
    keys: int = 16
    value_heads: int = 2
    values: int = 16


def config(negative, sizes):
    says = {
        "architectures": ["GatedDeltaNetForCausalLM"], "model_type": "gated_deltanet", "attn": None, "attn_mode": "chunk",
        "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_heads": sizes.heads, "num_v_heads": None, "head_dim": sizes.keys,
        "expand_v": sizes.values / sizes.keys, "use_gate": True, "use_short_conv": True, "conv_size": TAPS, "allow_neg_eigval": negative,
        "intermediate_size": INNER, "hidden_act": "swish", "norm_eps": EPS, "tie_word_embeddings": False, "vocab_size": VOCAB,
    }
    if sizes.value_heads != sizes.heads:
        says["num_v_heads"] = sizes.value_heads
    return says


def weights(seed, sizes):
    """Random tensors with the names and shapes of fla, of sizes at which everything matters."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape, spread):
        return torch.randn(*shape, generator=g, dtype=torch.float64) * spread

    def uniform(*shape, low, high):
        return low + (high - low) * torch.rand(*shape, generator=g, dtype=torch.float64)

    rows = {"q": sizes.heads * sizes.keys, "k": sizes.heads * sizes.keys, "v": sizes.value_heads * sizes.values}
    rows["g"] = both = rows["v"]
    w = {"model.embeddings.weight": normal(VOCAB, WIDTH, spread=1.0)}
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        w[p + "attn_norm.weight"] = uniform(WIDTH, low=0.5, high=1.5)
        for name in "qkvg":
            w[p + f"attn.{name}_proj.weight"] = normal(rows[name], WIDTH, spread=WIDTH**-0.5)
        for name in ["a_proj", "b_proj"]:
            w[p + f"attn.{name}.weight"] = normal(sizes.value_heads, WIDTH, spread=WIDTH**-0.5)
        # From slow decays to exp(-6) a token.
        w[p + "attn.A_log"] = uniform(sizes.value_heads, low=-3.0, high=1.5)
        w[p + "attn.dt_bias"] = uniform(sizes.value_heads, low=-1.0, high=1.0)
        for name in "qkv":
            w[p + f"attn.{name}_conv1d.weight"] = normal(rows[name], 1, TAPS, spread=0.6)
        w[p + "attn.o_norm.weight"] = uniform(sizes.values, low=0.5, high=1.5)
        w[p + "attn.o_proj.weight"] = normal(WIDTH, both, spread=both**-0.5)
        w[p + "mlp_norm.weight"] = uniform(WIDTH, low=0.5, high=1.5)
        w[p + "mlp.gate_proj.weight"] = normal(INNER, WIDTH, spread=WIDTH**-0.5)
        w[p + "mlp.up_proj.weight"] = normal(INNER, WIDTH, spread=WIDTH**-0.5)
        w[p + "mlp.down_proj.weight"] = normal(WIDTH, INNER, spread=INNER**-0.5)
    w["model.norm.weight"] = uniform(WIDTH, low=0.5, high=1.5)
    w["lm_head.weight"] = normal(VOCAB, WIDTH, spread=WIDTH**-0.5)
    return w


def rms(x, weight, eps):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * weight


def unit(x):
    return x / torch.sqrt((x * x).sum(-1, keepdim=True) + L2_EPS)


def convolved(x, weight):
    """Causal, every channel for itself; x [B, T, D], weight [D, 1, taps], the last tap the present token."""
    taps = weight.shape[-1]
    x = F.pad(x.transpose(1, 2), (taps - 1, 0))
    return F.silu(F.conv1d(x, weight, groups=weight.shape[0])).transpose(1, 2)


def forward(w, tokens, config, states=None):
    """Logits [B, T, V] and the last state of every layer, [B, H, K, V]; `states`: [H, K, V] a layer."""
    heads, eps = config["num_heads"], config["norm_eps"]
    value_heads = config.get("num_v_heads") or heads
    h = w["model.embeddings.weight"][tokens]
    batch, n_tokens, _ = h.shape
    last = []
    for i in range(config["num_hidden_layers"]):
        p = f"model.layers.{i}."
        x = rms(h, w[p + "attn_norm.weight"], eps)
        q, k, v = (convolved(x @ w[p + f"attn.{n}_proj.weight"].T, w[p + f"attn.{n}_conv1d.weight"])
                   .reshape(batch, n_tokens, value_heads if n == "v" else heads, -1) for n in "qkv")
        q, k = unit(q) / math.sqrt(q.shape[-1]), unit(k)
        q, k = (x.repeat_interleave(value_heads // heads, dim=2) for x in (q, k))  # fla's repeat
        beta = torch.sigmoid(x @ w[p + "attn.b_proj.weight"].T) * (2 if config["allow_neg_eigval"] else 1)
        step = F.softplus(x @ w[p + "attn.a_proj.weight"].T + w[p + "attn.dt_bias"])
        g = -torch.exp(w[p + "attn.A_log"]) * step
        S = torch.zeros(batch, value_heads, k.shape[-1], v.shape[-1], dtype=h.dtype) if states is None \
            else states[i].to(h.dtype).expand(batch, -1, -1, -1)
        outs = []
        for t in range(n_tokens):
            S = S * g[:, t].exp()[..., None, None]
            kt, vt = k[:, t], v[:, t]
            u = beta[:, t, :, None] * (vt - (S * kt[..., None]).sum(-2))
            S = S + kt[..., None] * u[..., None, :]
            outs.append((S * q[:, t][..., None]).sum(-2))
        last.append(S)
        o = torch.stack(outs, 1)
        gate = (x @ w[p + "attn.g_proj.weight"].T).reshape(o.shape)
        o = rms(o, w[p + "attn.o_norm.weight"], eps) * F.silu(gate)
        h = h + o.reshape(batch, n_tokens, -1) @ w[p + "attn.o_proj.weight"].T
        y = rms(h, w[p + "mlp_norm.weight"], eps)
        inner = F.silu(y @ w[p + "mlp.gate_proj.weight"].T) * (y @ w[p + "mlp.up_proj.weight"].T)
        h = h + inner @ w[p + "mlp.down_proj.weight"].T
    return rms(h, w["model.norm.weight"], eps) @ w["lm_head.weight"].T, last


def formula_state(layer, sizes):
    """0.1 sin(0.37 n + layer), n = flat index of [head, value row, key column], as [head, key, value]."""
    shape = (sizes.value_heads, sizes.values, sizes.keys)
    n = torch.arange(math.prod(shape), dtype=torch.float64)
    state = (0.1 * torch.sin(0.37 * n + layer)).float().view(shape)
    return state.transpose(1, 2).contiguous()


def make(folder, dtype, negative, seed, sizes=Sizes(), **more):
    folder.mkdir(exist_ok=True)
    says = config(negative, sizes) | more
    stored = {name: tensor.to(dtype).contiguous() for name, tensor in weights(seed, sizes).items()}
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(says, indent=1) + "\n")
    w = {name: tensor.double() for name, tensor in stored.items()}
    g = torch.Generator().manual_seed(seed + 1)
    tokens = torch.randint(0, VOCAB, (2, 37), generator=g)
    targets = torch.roll(tokens, -1, 1)
    mask = torch.zeros(2, 37)
    mask[0, 20:36], mask[1, 5:30] = 1, 1
    out = {"tokens": tokens, "targets": targets, "mask": mask}
    for case in ["zero", "formula"]:
        start = [formula_state(i, sizes).double().requires_grad_() for i in range(LAYERS)] if case == "formula" else None
        logits, last = forward(w, tokens, says, start)
        out[f"{case}.logits"] = logits.detach().float()
        for i, state in enumerate(last):  # [B, H, value, key], as Gosling keeps it
            out[f"{case}.state.{i}"] = state.detach().transpose(-1, -2).float()
        if case == "formula":
            nats = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
            loss = (nats * mask).sum() / mask.sum()
            loss.backward()
            out["loss"] = loss.detach().float()[None]
            for i, state in enumerate(start):
                out[f"grad.{i}"] = state.grad.transpose(-1, -2).float()
            decays = [(-torch.exp(w[f"model.layers.{i}.attn.A_log"])).tolist() for i in range(LAYERS)]
            print(folder.name, "loss", loss.item(), "log decay per unit step", decays)
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "golden.safetensors")


def check(folder):
    """The mean loss in nats of a fixed row of tokens, of a model that fla can load."""
    says = json.loads((folder / "config.json").read_text())
    w = {name: tensor.double() for name, tensor in load_file(folder / "model.safetensors").items()}
    tokens = torch.tensor([[0] + [(7 * i * i + 3 * i + 11) % says["vocab_size"] for i in range(63)]])
    logits, _ = forward(w, tokens, says)
    nats = F.cross_entropy(logits[0, :-1], tokens[0, 1:], reduction="none")
    print(f"mean {nats.mean().item():.6f}, first {nats[0].item():.6f}, last {nats[-1].item():.6f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["check"]:
        check(Path(sys.argv[2]))
    else:
        make(HERE / "f32", torch.float32, negative=False, seed=11)
        make(HERE / "bf16", torch.bfloat16, negative=True, seed=12)
        # Values twice as wide as keys, as fla's expand_v 2 has them.
        make(HERE / "wide", torch.float32, negative=False, seed=13, sizes=Sizes(values=32))
        # Fewer values than keys, heads that share their keys, and a token other than 0 that ends a document.
        grouped = Sizes(heads=2, keys=48, value_heads=4, values=32)
        make(HERE / "grouped", torch.bfloat16, negative=True, seed=14, sizes=grouped, eos_token_id=5)
