"""Makes the files beside this script: a toy model as other programs write it. README.md of the folder above says more.

    pip install numpy torch safetensors gguf transformers rwkv7-hf
    python tests/golden/dialects/make.py
"""
import json
import shutil
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Q
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
L, C, N, V, F = 2, 64, 32, 40, 64
H = C // N
RANKS = {"w": 8, "a": 8, "v": 8, "g": 16}
rng = np.random.default_rng(7)


def official():
    """Official names and shapes of RWKV-LM, f16; nothing is zero."""
    def rand(*shape):
        return torch.from_numpy(rng.uniform(-1, 1, shape).astype(np.float16))

    z = {"emb.weight": rand(V, C), "head.weight": rand(V, C)}
    for name in ["blocks.0.ln0", "ln_out"] + [f"blocks.{i}.{n}" for i in range(L) for n in ("ln1", "ln2", "att.ln_x")]:
        z[name + ".weight"], z[name + ".bias"] = rand(C), rand(C)
    for i in range(L):
        att, ffn = f"blocks.{i}.att.", f"blocks.{i}.ffn."
        for name in ["x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "w0", "a0", "v0", "k_k", "k_a"]:
            z[att + name] = rand(1, 1, C)
        for name, rank in RANKS.items():
            z[f"{att}{name}1"], z[f"{att}{name}2"] = rand(C, rank), rand(rank, C)
        z[att + "r_k"] = rand(H, N)
        for name in ["receptance", "key", "value", "output"]:
            z[att + name + ".weight"] = rand(C, C)
        z[ffn + "x_k"] = rand(1, 1, C)
        z[ffn + "key.weight"], z[ffn + "value.weight"] = rand(F, C), rand(C, F)
    return z


def hugging_face(z):
    """The converter of rwkv7-hf, in several shards."""
    from rwkv7_hf import converter
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "toy.pth"
        torch.save(z, source)
        out = Path(folder) / "hf"
        converter.main(["--input", str(source), "--output", str(out), "--precision", "fp16", "--low-memory",
                        "--max-shard-size", "60KB"])
        target = HERE / "rwkv7-hf"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for file in sorted(out.iterdir()):
            if file.suffix == ".safetensors" or file.name in ("config.json", "model.safetensors.index.json"):
                shutil.copy(file, target)


def ggml(z, types, path, alignment=None):
    """gguf's writer, its table of names and its quantisers; the names before it are those of rwkv7-hf, changed as
    llama.cpp's conversion/rwkv.py changes them."""
    from rwkv7_hf.converter import translate_name
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.RWKV7, L)
    writer = gguf.GGUFWriter(path, "rwkv7")
    if alignment:
        writer.add_custom_alignment(alignment)
    writer.add_wkv_head_size(N)
    writer.add_block_count(L)
    writer.add_token_list(["<s>", "a", "\\xff"])
    values = {}
    for name, tensor in z.items():
        array = tensor.float().numpy()
        key, transposed = translate_name(name, L)
        if not key or ".x_" in key and "attn" in key and not key.endswith("x_r"):
            continue
        for old, new in [("attn", "attention"), ("ffn", "feed_forward"), ("feed_forward_norm", "ln2"), ("g_norm", "ln_x"),
                         ("_lora.lora.0.weight", "1.weight"), ("_lora.lora.2.weight", "2.weight"), ("_lora.lora.2.bias", "0.weight")]:
            key = key.replace(old, new)
        if "attention.x_r" in key:
            array = np.stack([z[name[:-1] + letter].float().numpy() for letter in "rwkvag"]).reshape(6, 1, 1, C)
            new = key.replace("model.layers", "blk").replace("attention.x_r", "time_mix_lerp_fused.weight")
        else:
            array = (array.T if transposed else array).squeeze()
            array = array.flatten() if name.endswith("r_k") else array
            new = names.get_name(key, try_suffixes=(".weight", ".bias"))
            assert new, (name, key)
            new += "" if new.endswith((".weight", ".bias")) else ".weight"
        kind = types(new, array)
        array = np.ascontiguousarray(array, dtype=np.float32)
        data = array if kind == Q.F32 else gguf.quants.quantize(array, kind)
        writer.add_tensor(new, data, raw_dtype=kind)
        values[new] = array if kind == Q.F32 else gguf.quants.dequantize(data, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return values


def blocks():
    """Random blocks of every type that is read, and the values that gguf gives them."""
    rng = np.random.default_rng(11)
    out = {}
    for kind in (Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q8_0, Q.Q4_K, Q.Q5_K, Q.Q6_K):
        n, size = gguf.GGML_QUANT_SIZES[kind]
        data = rng.integers(0, 256, (6, size), dtype=np.uint8)
        # Scales and minima that are f16 numbers of a usual size.
        places = {Q.Q4_1: (0, 2), Q.Q5_1: (0, 2), Q.Q4_K: (0, 2), Q.Q5_K: (0, 2), Q.Q6_K: (208,)}.get(kind, (0,))
        for at in places:
            halves = rng.uniform(-2, 2, 6).astype(np.float16)
            data[:, at:at + 2] = halves.view(np.uint8).reshape(6, 2)
        out[kind.name + ".blocks"] = torch.from_numpy(data)
        out[kind.name + ".values"] = torch.from_numpy(gguf.quants.dequantize(data, kind).astype(np.float32)).reshape(6, n)
    save_file(out, HERE / "blocks.safetensors")


def main():
    z = official()
    save_file(z, HERE / "official.safetensors")
    hugging_face(dict(z))
    big = lambda new, array: array.ndim == 2 and min(array.shape) > 32
    ggml(dict(z), lambda new, array: Q.F16 if big(new, array) else Q.F32, HERE / "f16.gguf", alignment=64)
    kinds = [Q.BF16, Q.Q8_0, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1]
    chosen = {}
    def mixed(new, array):
        if not big(new, array):
            return Q.F32
        chosen[new] = kinds[len(chosen) % len(kinds)]
        return chosen[new]
    values = ggml(dict(z), mixed, HERE / "mixed.gguf")
    save_file({k: torch.from_numpy(np.ascontiguousarray(v.astype(np.float32))) for k, v in values.items() if k in chosen}, HERE / "mixed.safetensors")
    blocks()


main()
