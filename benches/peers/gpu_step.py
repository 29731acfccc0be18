"""PyTorch CUDA peer of one state-tuning step, or of one LoRA step, at the shapes of the official checkpoints with random
weights: bf16 weights and activations, a gradient for S_0 (or the adapters) alone, cross entropy, Adam. The recurrence is a
CUDA kernel that is built on first use and checked here against a loop over the tokens; torch.compile fuses what stands
between the products, and the whole step is replayed as one CUDA graph.

    python benches/peers/gpu_step.py [--shape 0.1b] [--batch 8] [--tokens 512] [--answers] [--lora 16] [--steps 20]

Needs PyTorch with CUDA, nvcc and ninja. Prints the medians and, as the last line, the same as JSON.
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F

N = 64
CHUNK = 16
# Layers, channels, ranks of decay, in-context learning rate, value residual and gate.
SHAPES = {"0.1b": (12, 768, (64, 64, 32, 128)), "0.4b": (24, 1024, (64, 64, 32, 128)), "1.5b": (24, 2048, (96, 96, 64, 256))}
VOCABULARY = 65_536
TARGETS = ("receptance", "key", "value", "output", "ffn_key", "ffn_value")

# One block a batch row and head. Forward, a thread owns a row of S (a value channel); backward, a row and a column of its
# gradient and a column of S, which is taken back token by token from the end of a chunk: RWKV-7's decays are at least
# exp(-0.607), so that 16 divisions lose little.
CUDA = r"""
#include <torch/extension.h>
#include <cuda_bf16.h>
#include <c10/cuda/CUDAStream.h>
constexpr int N = 64, L = 16;
using bf = __nv_bfloat16;
using torch::Tensor;
__device__ inline float f(bf x) { return __bfloat162float(x); }
__device__ inline bf h(float x) { return __float2bfloat16_rn(x); }

__global__ void __launch_bounds__(N, 2) forward_kernel(int T, int H, const bf* __restrict__ r_, const bf* __restrict__ w_, const bf* __restrict__ k_,
    const bf* __restrict__ v_, const bf* __restrict__ a_, const bf* __restrict__ b_, const float* __restrict__ s0, bf* __restrict__ y,
    float* __restrict__ kept, float* __restrict__ sa_) {
  const int head = blockIdx.x, row = blockIdx.y, i = threadIdx.x;
  __shared__ float r[2][N], w[2][N], k[2][N], a[2][N], b[2][N];
  float s[N];
#pragma unroll
  for (int j = 0; j < N; j++) s[j] = s0[(head * N + i) * N + j];
  for (int t = 0; t < T; t++) {
    const size_t x = ((size_t)(row * T + t) * H + head) * N + i;
    const int q = t & 1;
    r[q][i] = f(r_[x]); w[q][i] = __expf(-__expf(f(w_[x]))); k[q][i] = f(k_[x]); a[q][i] = f(a_[x]); b[q][i] = f(b_[x]);
    const float v = f(v_[x]);
    __syncthreads();
    float sa = 0, out = 0;
#pragma unroll
    for (int j = 0; j < N; j++) sa += s[j] * a[q][j];
#pragma unroll
    for (int j = 0; j < N; j++) { s[j] = s[j] * w[q][j] + sa * b[q][j] + v * k[q][j]; out += s[j] * r[q][j]; }
    y[x] = h(out);
    sa_[x] = sa;
    if (t % L == L - 1) {
      float* c = kept + ((size_t)(row * H + head) * (T / L) + t / L) * N * N;
#pragma unroll
      for (int j = 0; j < N; j++) c[j * N + i] = s[j];
    }
  }
}

__global__ void __launch_bounds__(N, 2) backward_kernel(int T, int H, const bf* __restrict__ r_, const bf* __restrict__ w_, const bf* __restrict__ k_,
    const bf* __restrict__ v_, const bf* __restrict__ a_, const bf* __restrict__ b_, const bf* __restrict__ dy_, const float* __restrict__ kept,
    const float* __restrict__ sa_, bf* dr, bf* dw, bf* dk, bf* dv, bf* da, bf* db, float* ds0) {
  const int head = blockIdx.x, row = blockIdx.y, i = threadIdx.x;
  __shared__ float r[N], w[N], k[N], v[N], a[N], b[N], dy[N], sa[N], dsb[N];
  float st[N] = {0}, ds[N] = {0}, dt[N] = {0};
  for (int t = T - 1; t >= 0; t--) {
    const size_t x = ((size_t)(row * T + t) * H + head) * N + i;
    if (t % L == L - 1) {
      const float* c = kept + ((size_t)(row * H + head) * (T / L) + t / L) * N * N + (size_t)i * N;
#pragma unroll
      for (int j = 0; j < N; j++) st[j] = c[j];
    }
    const float log_log = -__expf(f(w_[x])), wi = __expf(log_log), ri = f(r_[x]), ki = f(k_[x]), ai = f(a_[x]), bi = f(b_[x]), dyi = f(dy_[x]);
    __syncthreads();
    r[i] = ri; w[i] = wi; k[i] = ki; v[i] = f(v_[x]); a[i] = ai; b[i] = bi; dy[i] = dyi; sa[i] = sa_[x];
    __syncthreads();
    float gr = 0, gw = 0, gk = 0, gv = 0, gb = 0, q = 0;
    const float inverse = 1.f / wi;
#pragma unroll
    for (int j = 0; j < N; j++) { gr += st[j] * dy[j]; st[j] = (st[j] - ki * v[j] - bi * sa[j]) * inverse; ds[j] += dyi * r[j]; dt[j] += ri * dy[j]; }
#pragma unroll
    for (int j = 0; j < N; j++) { gw += dt[j] * st[j]; gk += dt[j] * v[j]; gv += ds[j] * k[j]; q += ds[j] * b[j]; gb += dt[j] * sa[j]; }
    dr[x] = h(gr); dw[x] = h(gw * wi * log_log); dk[x] = h(gk); dv[x] = h(gv); db[x] = h(gb);
    dsb[i] = q;
    __syncthreads();
    float ga = 0;
#pragma unroll
    for (int j = 0; j < N; j++) { ga += st[j] * dsb[j]; ds[j] = ds[j] * w[j] + q * a[j]; dt[j] = dt[j] * wi + ai * dsb[j]; }
    da[x] = h(ga);
  }
#pragma unroll
  for (int j = 0; j < N; j++) ds0[((size_t)(row * H + head) * N + i) * N + j] = ds[j];
}

static const bf* in(const Tensor& x) { return (const bf*)x.data_ptr(); }
static bf* out(Tensor& x) { return (bf*)x.data_ptr(); }

std::vector<Tensor> forward(Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b, Tensor s0) {
  const int B = r.size(0), T = r.size(1), H = r.size(2);
  TORCH_CHECK(T % L == 0, "tokens must be a multiple of 16");
  auto y = torch::empty_like(r);
  auto options = s0.options();
  auto kept = torch::empty({B, H, T / L, N, N}, options), sa = torch::empty({B, T, H, N}, options);
  forward_kernel<<<dim3(H, B), N, 0, c10::cuda::getCurrentCUDAStream()>>>(T, H, in(r), in(w), in(k), in(v), in(a), in(b),
      s0.data_ptr<float>(), out(y), kept.data_ptr<float>(), sa.data_ptr<float>());
  return {y, kept, sa};
}

std::vector<Tensor> backward(Tensor dy, Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b, Tensor kept, Tensor sa) {
  const int B = r.size(0), T = r.size(1), H = r.size(2);
  std::vector<Tensor> g;
  for (int n = 0; n < 6; n++) g.push_back(torch::empty_like(r));
  g.push_back(torch::empty({B, H, N, N}, kept.options()));
  backward_kernel<<<dim3(H, B), N, 0, c10::cuda::getCurrentCUDAStream()>>>(T, H, in(r), in(w), in(k), in(v), in(a), in(b), in(dy),
      kept.data_ptr<float>(), sa.data_ptr<float>(), out(g[0]), out(g[1]), out(g[2]), out(g[3]), out(g[4]), out(g[5]), g[6].data_ptr<float>());
  return g;
}

TORCH_LIBRARY(peer_gpu, m) {
  m.def("wkv7(Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b, Tensor s0) -> Tensor[]");
  m.def("wkv7_backward(Tensor dy, Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b, Tensor kept, Tensor sa) -> Tensor[]");
}
TORCH_LIBRARY_IMPL(peer_gpu, CUDA, m) { m.impl("wkv7", forward); m.impl("wkv7_backward", backward); }
"""


def build():
    from torch.utils.cpp_extension import load_inline

    major, minor = torch.cuda.get_device_capability()
    flags = ["-O3", "--use_fast_math", f"-gencode=arch=compute_{major}{minor},code=sm_{major}{minor}"]
    load_inline("peer_gpu_wkv7", "", CUDA, extra_cuda_cflags=flags, is_python_module=False)


class Wkv(torch.autograd.Function):
    """WKV-7 from an initial state [H, N, N] that all rows share."""

    @staticmethod
    def forward(ctx, r, w, k, v, a, b, s0):
        y, kept, sa = torch.ops.peer_gpu.wkv7(r, w, k, v, a, b, s0)
        ctx.save_for_backward(r, w, k, v, a, b, kept, sa)
        return y

    @staticmethod
    def backward(ctx, dy):
        *grads, ds0 = torch.ops.peer_gpu.wkv7_backward(dy.contiguous(), *ctx.saved_tensors)
        return *grads, ds0.sum(0)


def wkv_loop(r, w, k, v, a, b, s0):
    w = torch.exp(-torch.exp(w))
    s, ys = s0.expand(r.shape[0], *s0.shape), []
    for t in range(r.shape[1]):
        s = s * w[:, t, :, None, :] + (s @ a[:, t, :, :, None]) @ b[:, t, :, None, :] + v[:, t, :, :, None] @ k[:, t, :, None, :]
        ys.append((s @ r[:, t, :, :, None]).squeeze(-1))
    return torch.stack(ys, 1)


def check_gradients():
    """Largest relative difference of y and the seven gradients from the loop in float64, inputs rounded to bf16."""
    rng = torch.Generator("cuda").manual_seed(1)
    x = lambda *shape: torch.randn(*shape, generator=rng, device="cuda")
    B, T, H = 2, 48, 3
    kk, rate = F.normalize(x(B, T, H, N), dim=-1), torch.sigmoid(x(B, T, H, N))
    inputs = [x(B, T, H, N), -F.softplus(x(B, T, H, N)) - 0.5, x(B, T, H, N), x(B, T, H, N), -kk, kk * rate]
    inputs = [z.bfloat16() for z in inputs] + [x(H, N, N)]
    dy, results = x(B, T, H, N).bfloat16(), []
    for f, kind in ((wkv_loop, torch.float64), (Wkv.apply, None)):
        leaves = [(z.to(kind) if kind else z.clone()).detach().requires_grad_() for z in inputs]
        y = f(*leaves)
        results.append([z.double() for z in (y.detach(), *torch.autograd.grad((y * dy.to(y.dtype)).sum(), leaves))])
    worst = max(((p - q).abs().max() / p.abs().max()).item() for p, q in zip(*results))
    assert worst < 1e-2, f"gradients differ by {worst}"
    return worst


def shift(x):
    return F.pad(x, (0, 0, 1, -1)) - x


def linear(x, p, name, adapters):
    """x W^T, with an adapter's product beside it where there is one."""
    y = x @ p[name].T
    return y if adapters is None else y + (x @ adapters[name + ".a"].T) @ adapters[name + ".b"].T


def before_wkv(x, v_first, p, adapters):
    """What the recurrence takes, from the residual stream."""
    B, T, C = x.shape
    x = F.layer_norm(x, (C,), p["ln1.w"], p["ln1.b"])
    xx = shift(x)
    xr, xw, xk, xv, xa, xg = (x + xx * p["mix"][i] for i in range(6))
    r, k, v = linear(xr, p, "receptance", adapters), linear(xk, p, "key", adapters), linear(xv, p, "value", adapters)
    w = -F.softplus(-(p["w0"] + torch.tanh(xw @ p["w1"]) @ p["w2"]).float()) - 0.5
    if v_first is None:
        v_first = v
    else:
        v = v + (v_first - v) * torch.sigmoid(p["v0"] + (xv @ p["v1"]) @ p["v2"])
    a = torch.sigmoid(p["a0"] + (xa @ p["a1"]) @ p["a2"])
    g = torch.sigmoid(xg @ p["g1"]) @ p["g2"]
    heads = lambda z: z.view(B, T, C // N, N)
    kk = F.normalize(heads(k * p["k_k"]).float(), dim=-1)
    k = k * (1 + (a - 1) * p["k_a"])
    b = kk * heads(a).float()
    return heads(r), heads(w.bfloat16()), heads(k), heads(v), (-kk).bfloat16(), b.bfloat16(), g, v_first


def after_wkv(x, y, r, k, v, g, p, adapters):
    B, T, C = x.shape
    y = F.group_norm(y.reshape(B * T, C), C // N, p["ln_x.w"], p["ln_x.b"], eps=64e-5).view(B, T, C)
    y = y + ((r * k * p["r_k"]).sum(-1, keepdim=True) * v).view(B, T, C)
    x = x + linear(y * g, p, "output", adapters)
    z = F.layer_norm(x, (C,), p["ln2.w"], p["ln2.b"])
    z = torch.relu(linear(z + shift(z) * p["ffn_mix"], p, "ffn_key", adapters)) ** 2
    return x + linear(z, p, "ffn_value", adapters)


def objective_end(x, w, b, head, targets):
    x = F.layer_norm(x, (x.shape[-1],), w, b)
    return F.cross_entropy((x @ head.T).float(), targets)


class Model:
    def __init__(self, shape, rank):
        n_layer, C, ranks = SHAPES[shape]
        rng = torch.Generator("cuda").manual_seed(0)

        def normal(*dims, scale):
            return (torch.randn(*dims, generator=rng, device="cuda") * scale).bfloat16()

        wide = C**-0.5
        self.layers, self.adapters = [], []
        for _ in range(n_layer):
            p = {"mix": torch.rand(6, C, generator=rng, device="cuda").bfloat16(), "r_k": normal(C // N, N, scale=0.1)}
            p["ffn_mix"] = torch.rand(C, generator=rng, device="cuda").bfloat16()
            for name in ("ln1", "ln2", "ln_x"):
                p |= {f"{name}.w": torch.ones(C, device="cuda").bfloat16(), f"{name}.b": torch.zeros(C, device="cuda").bfloat16()}
            for name in ("receptance", "key", "value", "output"):
                p[name] = normal(C, C, scale=0.5 * wide)
            p["ffn_key"], p["ffn_value"] = normal(4 * C, C, scale=0.5 * wide), normal(C, 4 * C, scale=0.25 * wide)
            for name, rank_of in zip("wavg", ranks):
                p[f"{name}1"], p[f"{name}2"] = normal(C, rank_of, scale=wide), normal(rank_of, C, scale=rank_of**-0.5)
                p[f"{name}0"] = normal(C, scale=0.5)
            p["k_k"], p["k_a"] = normal(C, scale=0.1) + 0.7, normal(C, scale=0.1) + 1
            self.layers.append(p)
            if rank:
                of = {}
                for name in TARGETS:
                    rows, columns = p[name].shape
                    of[name + ".a"] = normal(rank, columns, scale=columns**-0.5).requires_grad_()
                    of[name + ".b"] = torch.zeros(rows, rank, device="cuda", dtype=torch.bfloat16).requires_grad_()
                self.adapters.append(of)
        self.embedding = normal(VOCABULARY, C, scale=0.5)
        self.head = normal(VOCABULARY, C, scale=0.5 * wide)
        self.ln = torch.ones(C, device="cuda").bfloat16(), torch.zeros(C, device="cuda").bfloat16()
        self.s0 = torch.zeros(n_layer, C // N, N, N, device="cuda").requires_grad_(not rank)
        # Two layers differ in their graphs, the first and the others.
        self.before, self.after = torch.compile(before_wkv), torch.compile(after_wkv)
        self.end = torch.compile(objective_end)

    def parameters(self):
        return [self.s0] if not self.adapters else [z for of in self.adapters for z in of.values()]

    def loss(self, tokens, targets, counted):
        x, v_first = F.embedding(tokens, self.embedding), None
        for idx, p in enumerate(self.layers):
            adapters = self.adapters[idx] if self.adapters else None
            r, w, k, v, a, b, g, v_first = self.before(x, v_first, p, adapters)
            y = Wkv.apply(*(z.contiguous() for z in (r, w, k, v, a, b)), self.s0[idx])
            x = self.after(x, y, r, k, v, g, p, adapters)
        x, targets = x.flatten(0, 1), targets.flatten()
        if counted is not None:
            x, targets = x.index_select(0, counted), targets.index_select(0, counted)
        return self.end(x, *self.ln, self.head, targets)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--shape", choices=SHAPES, default="0.1b")
    for name, default in (("batch", 8), ("tokens", 512), ("steps", 20), ("lora", 0)):
        p.add_argument(f"--{name}", type=int, default=default)
    p.add_argument("--answers", action="store_true", help="count the last fifth of the tokens only")
    o = p.parse_args()
    build()
    worst = check_gradients()
    model = Model(o.shape, o.lora)
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(1, VOCABULARY, (o.batch, o.tokens + 1), generator=rng).cuda()
    tokens, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
    places = torch.arange(o.batch * o.tokens, device="cuda").view(o.batch, o.tokens)
    counted = places[:, -(o.tokens // 5) :].flatten() if o.answers else None
    n_counted = places.numel() if counted is None else len(counted)
    optimizer = torch.optim.Adam(model.parameters(), lr=torch.tensor(0.01), betas=(0.9, 0.99), capturable=True, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = model.loss(tokens, targets, counted)
        loss.backward()
        optimizer.step()
        return loss

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    start = time.perf_counter()
    with torch.cuda.stream(side):
        first = [step().item() for _ in range(3)]
    torch.cuda.current_stream().wait_stream(side)
    built = time.perf_counter() - start
    torch.cuda.reset_peak_memory_stats()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()
    times = []
    for _ in range(5 + o.steps):
        start = time.perf_counter()
        graph.replay()
        torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - start))
    times = times[5:]
    quarter = statistics.quantiles(times, n=4)
    result = {
        "torch": torch.__version__, "card": torch.cuda.get_device_name(), "shape": o.shape, "batch": o.batch, "tokens": o.tokens,
        "counted": n_counted, "lora": o.lora, "trained": sum(z.numel() for z in model.parameters()),
        "median_ms": round(statistics.median(times), 2), "quartiles_ms": [round(quarter[0], 2), round(quarter[2], 2)],
        "peak_mb": round(torch.cuda.max_memory_allocated() / 1e6), "first_losses": [round(x, 4) for x in first],
        "last_loss": round(loss.item(), 4), "gradient_check": worst, "first_three_steps_s": round(built, 1),
    }  # fmt: skip
    what = f"LoRA of rank {o.lora}" if o.lora else "S_0"
    print(
        f"torch {result['torch']} on {result['card']}, {o.shape}, {o.batch} x {o.tokens} tokens, {n_counted} counted, {what}: median "
        f"{result['median_ms']} ms a step, quartiles {result['quartiles_ms']}; peak {result['peak_mb']} MB"
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
