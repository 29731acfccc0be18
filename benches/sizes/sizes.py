#!/usr/bin/env python3
"""What models of official size cost in every storage: seconds to load, peak memory
of the host and of the device beside what arithmetic says, milliseconds a step.

    python3 benches/sizes/sizes.py --gosling target/release/gosling > sizes.jsonl

Nothing but Python and the program is needed. The weights are random, in files that
are written to --folder (the largest has 14.4 GB), read from the page cache, and
removed. One JSON object a line is written as soon as it is known. A cap stands for a
smaller card: before the program starts, all but so many bytes of the card are taken
through the CUDA driver. Without that driver the cap is a bound for the peak only.
"""

import argparse
import ctypes
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time

GB = 10**9

# Layers, width, ranks of decay, in-context learning rate, value residual and gate.
SHAPES = {
    "0.4B": (24, 1024, (64, 64, 32, 128)),
    "1.5B": (24, 2048, (96, 96, 64, 256)),
    "2.9B": (32, 2560, (96, 96, 64, 320)),
    "7.2B": (32, 4096, (128, 128, 96, 480)),
    "tiny": (2, 128, (16, 16, 16, 32)),
}
VOCABULARY = 65_536

# Shape, precision, batch, tokens, cap in GB. What is asked for first comes first, in
# case the time ends; all of one shape stand together, for they share a file.
RUNS = [
    ("2.9B", "nf4", 1, 1024, 8),
    ("2.9B", "int8", 1, 1024, 8),
    ("2.9B", "f16", 1, 1024, 12),
    ("7.2B", "nf4", 1, 1024, 12),
    ("7.2B", "int8", 1, 1024, 12),
    ("7.2B", "f16", 1, 1024, 24),
    ("1.5B", "nf4", 1, 16_384, 12),
    ("1.5B", "nf4", 1, 1024, 8),
    ("1.5B", "int8", 1, 1024, 8),
    ("1.5B", "f16", 1, 1024, 8),
    ("0.4B", "nf4", 1, 1024, 8),
    ("0.4B", "int8", 1, 1024, 8),
    ("0.4B", "f16", 1, 1024, 8),
    ("0.4B", "f16", 8, 1024, 24),
]


def say(**line):
    """One result."""
    print(json.dumps(line), flush=True)


# Files of weights.


def tensors(shape):
    """Names, shapes and kinds of all tensors of a model."""
    layers, width, (decay, iclr, value, gate) = SHAPES[shape]
    yield "emb.weight", [VOCABULARY, width], "matrix"
    for layer in range(layers):
        block = f"blocks.{layer}"
        norms = ["ln1", "ln2", "att.ln_x"] + (["ln0"] if layer == 0 else [])
        for norm in norms:
            yield f"{block}.{norm}.weight", [width], "one"
            yield f"{block}.{norm}.bias", [width], "zero"
        for letter in "rwkvag":
            yield f"{block}.att.x_{letter}", [width], "half"
        yield f"{block}.att.w0", [width], "decay"
        for name in ("a0", "k_k", "k_a") + (("v0",) if layer else ()):
            yield f"{block}.att.{name}", [width], "half"
        yield f"{block}.att.r_k", [width // 64, 64], "zero"
        for letter, rank in (("w", decay), ("a", iclr), ("g", gate)) + ((("v", value),) if layer else ()):
            yield f"{block}.att.{letter}1", [width, rank], "matrix"
            yield f"{block}.att.{letter}2", [rank, width], "matrix"
        for name in ("receptance", "key", "value", "output"):
            yield f"{block}.att.{name}.weight", [width, width], "matrix"
        yield f"{block}.ffn.x_k", [width], "half"
        yield f"{block}.ffn.key.weight", [4 * width, width], "matrix"
        yield f"{block}.ffn.value.weight", [width, 4 * width], "matrix"
    yield "ln_out.weight", [width], "one"
    yield "ln_out.bias", [width], "zero"
    yield "head.weight", [VOCABULARY, width], "matrix"


def count(shape):
    """Numbers of a tensor."""
    product = 1
    for size in shape:
        product *= size
    return product


# Numbers in bfloat16.
CONSTANTS = {"one": 0x3F80, "zero": 0x0000, "half": 0x3F00, "decay": 0xC040}


def noise(n_bytes):
    """Random bfloat16 numbers of either sign between 0.008 and 0.031."""
    source = random.Random(1)
    signs = bytes(0x3C | (byte & 0x80) for byte in range(256))
    numbers = bytearray(source.randbytes(n_bytes))
    numbers[1::2] = bytes(numbers[1::2]).translate(signs)
    return bytes(numbers)


def write_model(path, shape):
    """Writes a .safetensors in bfloat16; gives its bytes."""
    header, offset = {}, 0
    for name, sizes, _ in tensors(shape):
        end = offset + 2 * count(sizes)
        header[name] = {"dtype": "BF16", "shape": sizes, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    block = noise(32 << 20)
    view = memoryview(block)
    place = 0
    with open(path, "wb", buffering=0) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, sizes, kind in tensors(shape):
            left = 2 * count(sizes)
            if kind != "matrix":
                file.write(struct.pack("<H", CONSTANTS[kind]) * (left // 2))
                continue
            while left:
                part = view[place : place + left]
                written = file.write(part)
                left -= written
                place += written
                if place == len(block):
                    place = 0
    return offset


# Memory.


class Ballast:
    """Takes all of a card but so many bytes, through the CUDA driver."""

    def __init__(self):
        self.held = []
        try:
            self.cuda = ctypes.CDLL("libcuda.so.1")
            device, self.context = ctypes.c_int(), ctypes.c_void_p()
            self.check(self.cuda.cuInit(0))
            self.check(self.cuda.cuDeviceGet(ctypes.byref(device), 0))
            self.check(self.cuda.cuCtxCreate_v2(ctypes.byref(self.context), 0, device))
        except (OSError, RuntimeError) as error:
            self.cuda = None
            say(what="note", note=f"no ballast, so caps are not enforced: {error}")

    @staticmethod
    def check(code):
        if code != 0:
            raise RuntimeError(f"CUDA error {code}")

    def free(self):
        """Bytes of the card that nobody has."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.check(self.cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)))
        return free.value

    def leave(self, n_bytes):
        """Whether no more than so many bytes are free now."""
        self.release()
        if self.cuda is None:
            return False
        for piece in (1 << 30, 1 << 26):
            while self.free() - piece >= n_bytes:
                pointer = ctypes.c_uint64()
                if self.cuda.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(piece)) != 0:
                    break
                self.held.append(pointer)
        return self.free() <= n_bytes + (1 << 27)

    def release(self):
        """Gives everything back."""
        for pointer in self.held:
            self.cuda.cuMemFree_v2(pointer)
        self.held = []


def device_bytes():
    """Bytes of the first card in use by everybody; none where nobody says."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", "0"]
    try:
        out = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return int(out.stdout.split()[0]) << 20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


class Watch(threading.Thread):
    """The most memory that a process and the card have while it runs."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.host, self.device, self.over = pid, 0, 0, threading.Event()

    def run(self):
        def on_device():
            while not self.over.is_set():
                self.device = max(self.device, device_bytes() or 0)
                self.over.wait(0.05)

        other = threading.Thread(target=on_device, daemon=True)
        other.start()
        while not self.over.is_set():
            self.host = max(self.host, self.anonymous())
            self.over.wait(0.02)
        other.join(timeout=10)

    def anonymous(self):
        """Bytes of the process that are no pages of files."""
        try:
            with open(f"/proc/{self.pid}/status", encoding="utf-8") as status:
                for line in status:
                    if line.startswith("RssAnon:"):
                        return int(line.split()[1]) << 10
        except OSError:
            pass
        return 0


# Runs.


def steps(options, file, precision, batch, tokens, timeout):
    """Takes tuning steps; gives what the program says and what was seen of it."""
    with tempfile.NamedTemporaryFile(suffix=".json", delete=False) as out:
        figures = out.name
    command = [options.gosling, "bench", "step", "--device", options.device, "--checkpoint", file]
    command += ["--precision", precision, "--batch", str(batch), "--tokens", str(tokens)]
    command += ["--recompute", "--steps", str(options.steps), "--json", figures]
    before = device_bytes()
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watch = Watch(process.pid)
    watch.start()
    try:
        said, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        said += f"\nended after {timeout:.0f} s"
    secs = time.monotonic() - start
    watch.over.set()
    watch.join()
    line = {"secs": round(secs, 1), "host_peak_mb": watch.host // 10**6, "exit": process.returncode}
    if before is not None:
        line["device_peak_mb"] = (watch.device - before) // 10**6
    loaded = re.search(r"loaded in ([0-9.]+) s", said)
    if loaded:
        line["load_secs"] = float(loaded[1])
        line["load_gb_per_sec"] = round(os.path.getsize(file) / GB / max(0.01, float(loaded[1])), 2)
    if process.returncode == 0:
        with open(figures, encoding="utf-8") as text:
            line.update(step_figures(json.load(text)))
    else:
        line["error"] = said.strip().splitlines()[-3:]
    os.unlink(figures)
    return line


def step_figures(report):
    """The row of steps among the tables of `bench step`."""
    for table in report["tables"]:
        row = table["rows"][0]
        named = row if isinstance(row, dict) else dict(zip(table["columns"], row))
        if "median, ms" in named:
            wanted = {
                "median, ms": "ms_a_step",
                "tokens/s": "tokens_per_sec",
                "most in use, MB": "device_in_use_mb",
                "most reserved, MB": "device_reserved_mb",
                "by arithmetic, MB": "device_predicted_mb",
                "last loss": "last_loss",
            }
            return {to: named.get(name) for name, to in wanted.items()}
    return {}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gosling", default="gosling", help="the program")
    parser.add_argument("--device", default="gpu")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the files are written")
    parser.add_argument("--steps", type=int, default=4, help="timed steps")
    parser.add_argument("--seconds", type=float, default=450, help="no run begins after so many")
    parser.add_argument("--shapes", nargs="*", choices=list(SHAPES), help="only these")
    parser.add_argument("--tokens", type=int, help="of every text, in the place of each run's own")
    parser.add_argument("--no-cap", action="store_true", help="take no memory away")
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    ballast = None if options.no_cap else Ballast()
    runs = RUNS
    if options.shapes:
        runs = [run for run in RUNS if run[0] in options.shapes]
        runs += [("tiny", precision, 1, 64, 1) for precision in ("nf4", "int8", "f16") if "tiny" in options.shapes]
    say(what="begin", device_mb=(device_bytes() or 0) // 10**6, python=sys.version.split()[0])
    written, file = None, os.path.join(options.folder, f"gosling-sizes-{os.getpid()}.safetensors")
    try:
        for shape, precision, batch, tokens, cap in runs:
            tokens = options.tokens or tokens
            line = {"what": "step", "shape": shape, "precision": precision, "batch": batch, "tokens": tokens, "cap_gb": cap}
            left = end - time.monotonic()
            if left < 20:
                say(**line, skipped="no time left")
                continue
            if written != shape:
                start = time.monotonic()
                n_bytes = write_model(file, shape)
                secs = round(time.monotonic() - start, 1)
                say(what="written", shape=shape, gb=round(n_bytes / GB, 2), secs=secs)
                written = shape
            line["capped"] = ballast.leave(cap * GB) if ballast else False
            line.update(steps(options, file, precision, batch, tokens, max(20, end - time.monotonic())))
            peak = line.get("device_peak_mb")
            if peak is not None:
                line["fits_cap"] = line["exit"] == 0 and peak <= cap * 1000
            say(**line)
    finally:
        if os.path.exists(file):
            os.unlink(file)
        if ballast:
            ballast.release()
    say(what="end", secs=round(options.seconds - (end - time.monotonic()), 1))


if __name__ == "__main__":
    main()
