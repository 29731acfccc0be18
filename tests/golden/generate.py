"""Makes the golden files beside this script: what the Rust side is compared with. README.md says what is in them.

    pip install numpy torch safetensors rwkv==0.8.32
    python tests/golden/generate.py            # all, under a minute
    python tests/golden/generate.py wkv7 adam  # some of: mini tiny wkv7 adam objective lora
"""
import json
import os
import sys
import warnings
from pathlib import Path

os.environ.update(RWKV_V7_ON="1", RWKV_JIT_ON="0", RWKV_CUDA_ON="0")  # read when rwkv is imported
warnings.filterwarnings("ignore", category=FutureWarning)  # rwkv still uses torch.jit.script

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
ASSETS = HERE.parents[1] / "assets"
MINI = ASSETS / "mini" / "rwkv7-mini-7m-f16.pth"
VOCAB = ASSETS / "vocab" / "rwkv_vocab_mini.txt"
sys.path.insert(0, str(ASSETS / "mini" / "recipe"))

TEXT = "Question: Zoe owns 13 bottles and is handed 15 extra ones by Carol. How many bottles has she at the end?\nAnswer: 13+15 = 28"
EXAMPLES = [  # (context, answer); the loss is on the answer only
    ("Question: Which word means a belief that can guide behavior?\nAnswer:", " theory\n\n"),
    ("Question: What is 7+5?\nAnswer:", " 7+5 = <<7+5=12>>12\n#### 12\n\n"),
]


def formula_state(layer, n_head, head_size):
    """0.1 sin(0.37 n + layer), n = flat index of [head, value row, key column]; f64, rounded to f32."""
    n = torch.arange(n_head * head_size * head_size, dtype=torch.float64)
    return (0.1 * torch.sin(0.37 * n + layer)).float().view(n_head, head_size, head_size)


def run_official(model, tokens, with_formula_state):
    """Logits of every position and the final state of the rwkv package; also holds its two forwards together."""

    def start():
        state = model.generate_zero_state()
        for i in range(model.n_layer if with_formula_state else 0):
            state[i * 3 + 1] = formula_state(i, model.n_head, model.head_size)
        return state

    logits, state = model.forward(tokens, start(), True)
    one_by_one = start()
    for token in tokens:
        last, one_by_one = model.forward(token, one_by_one)
    gap = (last - logits[-1]).abs().max().item()
    print(f"  formula={with_formula_state}: |logit| max {logits.abs().max():.3f}, sequence against one by one {gap:.1e}")
    assert gap < 1e-3
    return logits, state


def final_state(prefix, state, wkv_layers):
    out = {}
    for i in range(len(state) // 3):
        out[f"{prefix}.state.{i}.att"] = state[i * 3]
        if i in wkv_layers:
            out[f"{prefix}.state.{i}.wkv"] = state[i * 3 + 1]
        out[f"{prefix}.state.{i}.ffn"] = state[i * 3 + 2]
    return out


def save(name, tensors):
    path = HERE / name
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path)
    print(f"{name}: {path.stat().st_size} bytes")


def make_mini():
    import vocab_py
    from rwkv.model import RWKV

    tokens = [0] + vocab_py.Tok(str(VOCAB))(TEXT)
    positions = [0, 7, len(tokens) - 1]
    model = RWKV(str(MINI)[:-4], "cpu fp32")
    out = {"tokens": torch.tensor(tokens), "positions": torch.tensor(positions)}
    for name, with_formula in (("zero", False), ("formula", True)):
        logits, state = run_official(model, tokens, with_formula)
        out[f"{name}.logits"] = logits[positions]
        out |= final_state(name, state, (0, 2, 5))
    save("mini.safetensors", out)


def tiny_weights(n_layer=3, n_embd=96, head_size=32, n_vocab=97, w=16, a=24, v=8, g=32):
    """A random x070 model in which no two sizes agree. Layer 0 has no v0, v1, v2, as in some official files."""
    rng = torch.Generator().manual_seed(7)
    C = n_embd

    def normal(*shape, scale=None, mean=0.0):
        return mean + torch.randn(*shape, generator=rng) * (shape[-1] ** -0.5 if scale is None else scale)

    def uniform(low, high):
        return low + (high - low) * torch.rand(1, 1, C, generator=rng)

    def norm(name):
        return {f"{name}.weight": normal(C, scale=0.1, mean=1.0), f"{name}.bias": normal(C, scale=0.1)}

    z = {"emb.weight": normal(n_vocab, C, scale=1.0)} | norm("blocks.0.ln0")
    for i in range(n_layer):
        b, att, ffn = f"blocks.{i}", f"blocks.{i}.att", f"blocks.{i}.ffn"
        z |= norm(f"{b}.ln1") | norm(f"{b}.ln2")
        z |= {f"{att}.x_{c}": uniform(0.05, 0.95) for c in "rwkvag"}
        for c, rank, low, high in (("w", w, -6, 2), ("a", a, -1, 1), ("v", v, -1, 1)):
            if c == "v" and i == 0:
                continue
            z[f"{att}.{c}0"] = uniform(low, high)
            z[f"{att}.{c}1"] = normal(C, rank, scale=C**-0.5)
            z[f"{att}.{c}2"] = normal(rank, C, scale=rank**-0.5)
        z[f"{att}.g1"] = normal(C, g, scale=C**-0.5)
        z[f"{att}.g2"] = normal(g, C, scale=2 * g**-0.5)
        z[f"{att}.k_k"] = uniform(0.5, 1.0)
        z[f"{att}.k_a"] = uniform(0.5, 1.1)
        z[f"{att}.r_k"] = normal(C // head_size, head_size, scale=0.1)
        z |= {f"{att}.{m}.weight": normal(C, C) for m in ("receptance", "key", "value", "output")}
        z |= norm(f"{att}.ln_x")
        z[f"{ffn}.x_k"] = uniform(0.05, 0.95)
        z[f"{ffn}.key.weight"] = normal(4 * C, C)
        z[f"{ffn}.value.weight"] = normal(C, 4 * C)
    z |= norm("ln_out") | {"head.weight": normal(n_vocab, C)}
    return {k: x.bfloat16().clone() for k, x in z.items()}


def make_tiny():
    from rwkv.model import RWKV

    weights = tiny_weights()
    assert all((x != 0).all() for x in weights.values())
    torch.save(weights, HERE / "tiny.pth")
    print(f"tiny.pth: {(HERE / 'tiny.pth').stat().st_size} bytes")
    tokens = [0] + [(17 * t + 5 * t * t) % 96 + 1 for t in range(1, 23)]
    model = RWKV(str(HERE / "tiny"), "cpu fp32")
    out = {"tokens": torch.tensor(tokens)}
    for name, with_formula in (("zero", False), ("formula", True)):
        out[f"{name}.logits"], state = run_official(model, tokens, with_formula)
        out |= final_state(name, state, range(model.n_layer))
    save("tiny.safetensors", out)


def wave(q, *shape):
    """u(q, n) = sin((1.3 + 0.17 q) n + 0.0011 n^2 + q), n = flat index; f64."""
    n = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return torch.sin((1.3 + 0.17 * q) * n + 0.0011 * n * n + q).view(shape)


def wkv7_inputs(B, T, H, N):
    """r, w, k, v, a, b [B,T,H,N], s0 [H,N,N] and dy [B,T,H,N], rounded to f32 and widened again."""
    x, unit = (B, T, H, N), (2 / N) ** 0.5
    inputs = dict(
        r=wave(0, *x), w=0.75 + 0.2 * wave(1, *x), k=wave(2, *x), v=wave(3, *x),
        a=unit * wave(4, *x), b=0.5 * unit * wave(5, *x), s0=0.3 * wave(6, H, N, N), dy=wave(7, *x),
    )  # fmt: skip
    return {name: z.float().double() for name, z in inputs.items()}


def wkv7(r, w, k, v, a, b, s0):
    """The recurrence of the README; rows of the state are value channels, columns key channels."""
    S, ys = s0.expand(r.shape[0], *s0.shape), []
    for t in range(r.shape[1]):
        column, row = lambda z: z[:, t, :, :, None], lambda z: z[:, t, :, None, :]
        S = S * row(w) + (S @ column(a)) @ row(b) + column(v) @ row(k)
        ys.append((S @ column(r)).squeeze(-1))
    return torch.stack(ys, 1), S


def make_wkv7():
    out = {}
    for case, shape in (("small", (2, 19, 3, 16)), ("head64", (1, 37, 2, 64))):
        inputs = wkv7_inputs(*shape)
        dy = inputs.pop("dy")
        leaves = {name: z.requires_grad_() for name, z in inputs.items()}
        y, s_last = wkv7(**leaves)
        (y * dy).sum().backward()
        out |= {f"{case}.y": y.float(), f"{case}.s_last": s_last.float()}
        out |= {f"{case}.d{name}": z.grad.float() for name, z in leaves.items()}
        print(" ", case, {n.split(".")[1]: f"{z.abs().max():.3g}" for n, z in out.items() if n.startswith(case)})
    save("wkv7.safetensors", out)


def make_adam():
    grads = torch.stack([wave(0, 8, 6)[t] * torch.tensor([1, 10, 1e-3, 1e-6, -0.5, 0]).double() for t in range(8)]).float()
    start = torch.tensor([0.5, -1.0, 0.0, 2.0, 0.1, -0.3])
    betas, eps = (0.9, 0.99), 1e-8
    makers = {
        "adam": (dict(lr=0.01, betas=betas, eps=eps), torch.optim.Adam),
        "adamw": (dict(lr=0.01, betas=betas, eps=eps, weight_decay=0.1), torch.optim.AdamW),
        "sgd": (dict(lr=0.01, momentum=0.9), torch.optim.SGD),
    }
    out = {"start": start.tolist(), "grads": grads.tolist()}
    for name, (options, maker) in makers.items():
        p = torch.nn.Parameter(start.clone())
        optimizer, after = maker([p], **options), []
        for grad in grads:
            p.grad = grad.clone()
            optimizer.step()
            after.append(p.tolist())
        out[name] = {"options": options, "after": after}
    path = HERE / "adam.json"
    path.write_text(json.dumps(out, indent=1) + "\n")
    print(f"adam.json: {path.stat().st_size} bytes")


def load_recipe_model():
    import model

    weights = torch.load(MINI, map_location="cpu", weights_only=True)
    m = model.RWKV7(4096, 256, 6)
    m.load_state_dict({k: v.float() for k, v in weights.items()})
    return m.requires_grad_(False), model.wkv_naive


def objective_batch(multiple=16):
    """tokens, targets and mask [B,T]: token 0, context, answer, then zeros up to a multiple of 16 tokens."""
    import vocab_py

    tokenize = vocab_py.Tok(str(VOCAB))
    pairs = [(tokenize(context), tokenize(answer)) for context, answer in EXAMPLES]
    T = max(len(c) + len(a) for c, a in pairs)
    T = (T + multiple - 1) // multiple * multiple
    ids, mask = torch.zeros(len(pairs), T + 1, dtype=torch.long), torch.zeros(len(pairs), T)
    for i, (c, a) in enumerate(pairs):
        ids[i, 1 : 1 + len(c) + len(a)] = torch.tensor(c + a)
        mask[i, len(c) : len(c) + len(a)] = 1
    return ids[:, :-1], ids[:, 1:], mask


def make_objective():
    m, wkv_naive = load_recipe_model()
    tokens, targets, mask = objective_batch()
    s0 = torch.stack([0.5 * formula_state(i, m.H, 64) for i in range(m.L)]).requires_grad_()
    logits = m(tokens, s0, wkv=wkv_naive)
    loss = (F.cross_entropy(logits.transpose(1, 2), targets, reduction="none") * mask).sum() / mask.sum()
    loss.backward()
    print(f"  loss {loss.item():.6f}, |gradient| per layer {[f'{g.norm():.3g}' for g in s0.grad]}")
    out = {"tokens": tokens, "targets": targets, "mask": mask, "loss": loss.reshape(1)}
    out["grad_norm"] = s0.grad.double().flatten(1).norm(dim=1).float()
    out |= {f"grad.{i}": s0.grad[i] for i in (0, 3, 5)}
    save("objective.safetensors", out)


LORA_MODULES = ["att.receptance", "att.key", "att.value", "att.output", "ffn.key", "ffn.value"]
LORA_LAYERS, LORA_RANK, LORA_ALPHA = (0, 2, 5), 4, 6.0


def formula_adapter(layer, idx, n_out, n_in):
    """A = 0.06 sin(0.37 n + layer + idx), B = 0.03 cos(0.53 n + layer - idx), n flat row-major; f64, rounded to f32."""
    n = torch.arange(LORA_RANK * max(n_in, n_out), dtype=torch.float64)
    a = 0.06 * torch.sin(0.37 * n[: LORA_RANK * n_in] + layer + idx)
    b = 0.03 * torch.cos(0.53 * n[: n_out * LORA_RANK] + layer - idx)
    return a.float().view(LORA_RANK, n_in).requires_grad_(), b.float().view(n_out, LORA_RANK).requires_grad_()


def make_lora():
    """The objective with adapters as hooks on the linear layers: y + (alpha / rank) B (A x)."""
    m, wkv_naive = load_recipe_model()
    tokens, targets, mask = objective_batch()
    s0 = torch.stack([0.5 * formula_state(i, m.H, 64) for i in range(m.L)]).requires_grad_()
    adapters = {}
    for layer in LORA_LAYERS:
        for idx, module in enumerate(LORA_MODULES):
            linear = m.get_submodule(f"blocks.{layer}.{module}")
            a, b = adapters[layer, module] = formula_adapter(layer, idx, *linear.weight.shape)
            linear.register_forward_hook(
                lambda _, x, y, a=a, b=b: y + (LORA_ALPHA / LORA_RANK) * F.linear(F.linear(x[0], a), b)
            )
    logits = m(tokens, s0, wkv=wkv_naive)
    loss = (F.cross_entropy(logits.transpose(1, 2), targets, reduction="none") * mask).sum() / mask.sum()
    loss.backward()
    out = {"tokens": tokens, "targets": targets, "mask": mask, "loss": loss.reshape(1)}
    out["state_grad_norm"] = s0.grad.double().flatten(1).norm(dim=1).float()
    norms = torch.stack([torch.stack([a.grad.norm(), b.grad.norm()]) for a, b in adapters.values()])
    print(f"  loss {loss.item():.6f}, |gradients| {norms.min():.3g} to {norms.max():.3g}")
    for (layer, module), (a, b) in adapters.items():
        if layer != 2:
            out |= {f"{layer}.{module}.a": a.grad, f"{layer}.{module}.b": b.grad}
    save("lora.safetensors", out)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or ["mini", "tiny", "wkv7", "adam", "objective", "lora"]:
        globals()[f"make_{name}"]()
    from importlib.metadata import version

    print({p: version(p) for p in ("torch", "rwkv", "safetensors", "numpy")})
