"""PyTorch CPU peer of one state-tuning step of the mini model: float32, frozen weights, a gradient for S_0 alone, the
loss on every position, Adam. The recurrence is a C++ kernel (OpenMP over batch and heads) with a hand-written backward,
compiled on first use and checked here against the time loop in tensor operations; torch.compile fuses the rest. Both are
the fastest of what was tried: --eager leaves out the second, --wkv naive the first.

    pip install numpy torch ninja setuptools      # and a C++ compiler
    python benches/peers/step.py [--batch 8] [--tokens 128] [--threads 2] [--steps 20] [--wkv cpp|naive] [--eager]

Prints the medians and, as the last line, the same as JSON.
"""
import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

MINI = Path(__file__).resolve().parents[2] / "assets" / "mini"
sys.path.insert(0, str(MINI / "recipe"))
import model as recipe

CPP = r"""
#include <torch/extension.h>
#include <cmath>
#include <vector>
// One task owns one (batch, head). State rows are value channels, columns key channels. The state is kept every CHUNK
// tokens; the backward pass recomputes the states in between, so nothing is divided by the decay.
constexpr int N = 64, CHUNK = 16;
using torch::Tensor;

// S <- S diag(w) + (S a) b^T + v k^T; returns S a in sa.
static inline void advance(float* __restrict__ S, const float* __restrict__ w, const float* __restrict__ k,
                           const float* __restrict__ v, const float* __restrict__ a, const float* __restrict__ b,
                           float* __restrict__ sa) {
  for (int i = 0; i < N; i++) {
    float* __restrict__ s = S + i * N;
    float dot = 0;
    for (int j = 0; j < N; j++) dot += s[j] * a[j];
    sa[i] = dot;
    for (int j = 0; j < N; j++) s[j] = s[j] * w[j] + dot * b[j] + v[i] * k[j];
  }
}

static inline void decay(const float* __restrict__ w, float* __restrict__ out) {
  for (int j = 0; j < N; j++) out[j] = std::exp(-std::exp(w[j]));
}

std::vector<Tensor> forward(Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b, Tensor s0) {
  const int64_t B = r.size(0), T = r.size(1), H = r.size(2), chunks = (T + CHUNK - 1) / CHUNK;
  auto y = torch::empty_like(r), kept = torch::empty({B, H, chunks, N, N}, r.options());
  const float *R = r.data_ptr<float>(), *W = w.data_ptr<float>(), *K = k.data_ptr<float>(), *V = v.data_ptr<float>(),
              *A = a.data_ptr<float>(), *Bb = b.data_ptr<float>(), *S0 = s0.data_ptr<float>();
  float *Y = y.data_ptr<float>(), *Kept = kept.data_ptr<float>();
#pragma omp parallel for schedule(static)
  for (int64_t q = 0; q < B * H; q++) {
    const int64_t batch = q / H, h = q % H;
    alignas(64) float S[N * N], sa[N], wd[N];
    std::copy(S0 + h * N * N, S0 + (h + 1) * N * N, S);
    for (int64_t t = 0; t < T; t++) {
      if (t % CHUNK == 0) std::copy(S, S + N * N, Kept + (q * chunks + t / CHUNK) * N * N);
      const int64_t x = ((batch * T + t) * H + h) * N;
      decay(W + x, wd);
      advance(S, wd, K + x, V + x, A + x, Bb + x, sa);
      for (int i = 0; i < N; i++) {
        float dot = 0;
        for (int j = 0; j < N; j++) dot += S[i * N + j] * R[x + j];
        Y[x + i] = dot;
      }
    }
  }
  return {y, kept};
}

// Gradients of r, w, k, v, a, b and of S_0 per batch row. Without `inputs` (nothing before this layer is tuned) only the last.
std::vector<Tensor> backward(Tensor dy, Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b, Tensor kept, bool inputs) {
  const int64_t B = r.size(0), T = r.size(1), H = r.size(2), chunks = kept.size(2);
  std::vector<Tensor> out;
  for (int i = 0; i < 6; i++) out.push_back(inputs ? torch::empty_like(r) : torch::empty({0}, r.options()));
  out.push_back(torch::empty({B, H, N, N}, r.options()));
  const float *DY = dy.data_ptr<float>(), *R = r.data_ptr<float>(), *W = w.data_ptr<float>(), *K = k.data_ptr<float>(),
              *V = v.data_ptr<float>(), *A = a.data_ptr<float>(), *Bb = b.data_ptr<float>(), *Kept = kept.data_ptr<float>();
  float *DR = out[0].data_ptr<float>(), *DW = out[1].data_ptr<float>(), *DK = out[2].data_ptr<float>(),
        *DV = out[3].data_ptr<float>(), *DA = out[4].data_ptr<float>(), *DB = out[5].data_ptr<float>(),
        *DS0 = out[6].data_ptr<float>();
#pragma omp parallel for schedule(static)
  for (int64_t q = 0; q < B * H; q++) {
    const int64_t batch = q / H, h = q % H;
    alignas(64) float dS[N * N] = {0};
    alignas(64) float sa[CHUNK][N], wd[CHUNK][N];
    std::vector<float> states((CHUNK + 1) * N * N);
    for (int64_t c = chunks - 1; c >= 0; c--) {
      const int64_t first = c * CHUNK, len = std::min<int64_t>(CHUNK, T - first);
      if (inputs) std::copy(Kept + (q * chunks + c) * N * N, Kept + (q * chunks + c + 1) * N * N, states.begin());
      for (int64_t u = 0; u < len; u++) {
        const int64_t x = ((batch * T + first + u) * H + h) * N;
        decay(W + x, wd[u]);
        if (!inputs) continue;
        float* next = states.data() + (u + 1) * N * N;
        std::copy(next - N * N, next, next);
        advance(next, wd[u], K + x, V + x, A + x, Bb + x, sa[u]);
      }
      for (int64_t u = len - 1; u >= 0; u--) {
        const int64_t x = ((batch * T + first + u) * H + h) * N;
        const float *before = states.data() + u * N * N, *after = before + N * N;
        alignas(64) float dr[N] = {0}, dw[N] = {0}, dk[N] = {0}, da[N] = {0}, db[N] = {0};
        for (int i = 0; i < N; i++) {
          float* __restrict__ g = dS + i * N;
          const float dyi = DY[x + i];
          float dsa = 0, dv = 0;
          if (inputs) {
            const float *__restrict__ sb = before + i * N, *__restrict__ sn = after + i * N;
            const float vi = V[x + i], sai = sa[u][i];
            for (int j = 0; j < N; j++) {
              g[j] += dyi * R[x + j];
              dsa += g[j] * Bb[x + j];
              dv += g[j] * K[x + j];
              dr[j] += sn[j] * dyi;
              dw[j] += g[j] * sb[j];
              dk[j] += g[j] * vi;
              db[j] += g[j] * sai;
            }
            for (int j = 0; j < N; j++) {
              da[j] += dsa * sb[j];
              g[j] = g[j] * wd[u][j] + dsa * A[x + j];
            }
            DV[x + i] = dv;
          } else {
            for (int j = 0; j < N; j++) {
              g[j] += dyi * R[x + j];
              dsa += g[j] * Bb[x + j];
            }
            for (int j = 0; j < N; j++) g[j] = g[j] * wd[u][j] + dsa * A[x + j];
          }
        }
        if (!inputs) continue;
        for (int j = 0; j < N; j++) {
          DR[x + j] = dr[j];
          DW[x + j] = -dw[j] * wd[u][j] * std::exp(W[x + j]);
          DK[x + j] = dk[j];
          DA[x + j] = da[j];
          DB[x + j] = db[j];
        }
      }
    }
    std::copy(dS, dS + N * N, DS0 + q * N * N);
  }
  return out;
}

TORCH_LIBRARY(peer, m) {
  m.def("wkv7(Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b, Tensor s0) -> Tensor[]");
  m.def("wkv7_backward(Tensor dy, Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b, Tensor kept, bool inputs) -> Tensor[]");
}
TORCH_LIBRARY_IMPL(peer, CPU, m) { m.impl("wkv7", forward); m.impl("wkv7_backward", backward); }
"""


def build_cpp():
    """The kernel as torch.ops.peer.wkv7 with its gradient; known to torch.compile too."""
    from torch.utils.cpp_extension import load_inline

    os.environ["PATH"] = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]  # where pip puts ninja
    flags = ["-O3", "-march=native", "-ffast-math", "-fopenmp", "-mprefer-vector-width=512"]
    load_inline("peer_wkv7", CPP, extra_cflags=flags, extra_ldflags=["-fopenmp"], is_python_module=False)

    @torch.library.register_fake("peer::wkv7")
    def _(r, w, k, v, a, b, s0):
        chunks = (r.shape[1] + 15) // 16
        return [torch.empty_like(r), r.new_empty(r.shape[0], r.shape[2], chunks, 64, 64)]

    @torch.library.register_fake("peer::wkv7_backward")
    def _(dy, r, w, k, v, a, b, kept, inputs):
        grads = [torch.empty_like(r) if inputs else r.new_empty(0) for _ in range(6)]
        return grads + [r.new_empty(r.shape[0], r.shape[2], 64, 64)]

    def setup(ctx, inputs, output):
        ctx.save_for_backward(*inputs[:6], output[1])
        ctx.before = any(ctx.needs_input_grad[:6])

    def backward(ctx, grads):
        *grads_in, ds0 = torch.ops.peer.wkv7_backward(grads[0].contiguous(), *ctx.saved_tensors, ctx.before)
        return *(grads_in if ctx.before else [None] * 6), ds0.sum(0)

    torch.library.register_autograd("peer::wkv7", backward, setup_context=setup)

    def wkv(r, w, k, v, a, b, s0):
        r, w, k, v, a, b, s0 = (z.contiguous() for z in (r, w, k, v, a, b, s0))
        return torch.ops.peer.wkv7(r, w, k, v, a, b, s0)[0], None

    return wkv


def check_gradients(wkv):
    """Largest relative difference of y and the seven gradients from the time loop; T is no multiple of the chunk."""
    rng = torch.Generator().manual_seed(1)
    x = lambda *shape: torch.randn(*shape, generator=rng)
    B, T, H, N = 2, 37, 3, 64
    kk, rate = F.normalize(x(B, T, H, N), dim=-1), torch.sigmoid(x(B, T, H, N))
    inputs = [x(B, T, H, N), -F.softplus(x(B, T, H, N)) - 0.5, x(B, T, H, N), x(B, T, H, N), -kk, kk * rate, x(H, N, N)]
    dy, results = x(B, T, H, N), []
    for f in (recipe.wkv_naive, wkv):
        leaves = [z.clone().requires_grad_() for z in inputs]
        y, _ = f(*leaves)
        results.append([y.detach(), *torch.autograd.grad((y * dy).sum(), leaves)])
    worst = max(((p - q).abs().max() / p.abs().max()).item() for p, q in zip(*results))
    s0 = inputs[6].clone().requires_grad_()  # the path that skips the gradients of the inputs
    only = torch.autograd.grad((wkv(*inputs[:6], s0)[0] * dy).sum(), s0)[0]
    worst = max(worst, ((only - results[0][7]).abs().max() / only.abs().max()).item())
    assert worst < 1e-4, f"gradients differ by {worst}"
    return worst


def load_model():
    weights = torch.load(MINI / "rwkv7-mini-7m-f16.pth", map_location="cpu", weights_only=True)
    m = recipe.RWKV7(4096, 256, 6)
    m.load_state_dict({k: z.float() for k, z in weights.items()})
    return m.requires_grad_(False)


def main():
    p = argparse.ArgumentParser()
    for name, default in (("batch", 8), ("tokens", 128), ("threads", 2), ("steps", 20), ("warmup", 5)):
        p.add_argument(f"--{name}", type=int, default=default)
    p.add_argument("--wkv", choices=("cpp", "naive"), default="cpp")
    p.add_argument("--eager", action="store_true", help="without torch.compile")
    o = p.parse_args()
    compiled = o.wkv == "cpp" and not o.eager  # the time loop would be unrolled
    torch.set_num_threads(o.threads)
    load_before = os.getloadavg()[0]

    wkv, worst = recipe.wkv_naive, None
    if o.wkv == "cpp":
        wkv = build_cpp()
        worst = check_gradients(wkv)
    m = load_model()
    ids = torch.randint(1, 4096, (o.batch, o.tokens + 1), generator=torch.Generator().manual_seed(0))
    ids[:, 0] = 0
    s0 = torch.nn.Parameter(torch.zeros(m.L, m.H, 64, 64))
    optimizer = torch.optim.Adam([s0], lr=0.01, betas=(0.9, 0.99), eps=1e-8)

    def objective(tokens, targets, s0):
        return F.cross_entropy(m(tokens, s0, wkv=wkv).flatten(0, 1), targets.flatten())

    if compiled:
        objective = torch.compile(objective)

    times, losses = [], []
    for step in range(o.warmup + o.steps):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = objective(ids[:, :-1], ids[:, 1:], s0)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step >= o.warmup:
            times.append(1000 * (time.perf_counter() - start))
    quarter = statistics.quantiles(times, n=4)
    result = {
        "torch": torch.__version__, "threads": torch.get_num_threads(), "cpu": torch.backends.cpu.get_cpu_capability(),
        "wkv": o.wkv, "compile": compiled, "batch": o.batch, "tokens": o.tokens, "steps": o.steps,
        "median_ms": round(statistics.median(times), 1), "quartiles_ms": [round(quarter[0], 1), round(quarter[2], 1)],
        "min_ms": round(min(times), 1), "max_ms": round(max(times), 1),
        "first_loss": round(losses[0], 5), "last_loss": round(losses[-1], 5),
        "gradient_check": worst, "load_before": round(load_before, 2),
    }  # fmt: skip
    print(
        f"torch {result['torch']} ({result['cpu']}), {result['threads']} threads, {o.batch} x {o.tokens} tokens, wkv {o.wkv}"
        f"{', compiled' if compiled else ''}: median {result['median_ms']} ms a step, quartiles {result['quartiles_ms']},"
        f" range {result['min_ms']} to {result['max_ms']} over {o.steps} steps; load before {result['load_before']}"
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
