"""Files as trainers and scripts write them, each with the same small state. From the repository root:

    python -m venv venv && venv/bin/pip install numpy torch safetensors
    venv/bin/python tests/golden/torch/make.py

The state has 2 layers of 1 head of 2 x 2: layer i holds 4 i + n - 1.5 at the flat place n, [head, value, key].
"""
import argparse
import collections
import json
import os
import struct

import torch

HERE = os.path.dirname(os.path.abspath(__file__))


def state(dtype=torch.float32):
    return [(torch.arange(4.0) + 4 * i - 1.5).reshape(1, 2, 2).to(dtype) for i in range(2)]


def named(prefix="", dtype=torch.float32):
    return collections.OrderedDict((f"{prefix}blocks.{i}.att.time_state", s) for i, s in enumerate(state(dtype)))


def save(value, name, **options):
    torch.save(value, os.path.join(HERE, name), **options)


def lightning():
    """What a Trainer's save_checkpoint writes, without the callbacks' own classes."""
    parameters = [torch.nn.Parameter(s) for s in state()]
    optimizer = torch.optim.Adam(parameters, lr=1.0)
    sum(p.sum() for p in parameters).backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    return {
        "epoch": 1,
        "global_step": 60,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": named("model."),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(1.5), "dirpath": "/a"}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [{k: v for k, v in scheduler.state_dict().items() if k != "_get_lr_called_within_step"}],
        "hparams_name": "args",
        "hyper_parameters": {
            "betas": (0.9, 0.99),
            "dtype": torch.bfloat16,
            "device": torch.device("cuda", 0),
            "layout": torch.strided,
            "tags": {"a", "b"},
            "counts": collections.Counter("abca"),
            "seed": 1 << 80,
            "rate": 1e-3 + 1j,
            "raw": b"\x00\xff",
            "array": bytearray(b"\x00\xff"),
            "rng": torch.random.get_rng_state()[:8].clone(),
        },
    }


def deepspeed():
    """mp_rank_00_model_states.pt of a stage without sharded weights."""
    module = named("_forward_module.model.", torch.bfloat16)
    return {
        "module": module,
        "buffer_names": [],
        "optimizer": None,
        "param_shapes": [collections.OrderedDict((k, v.shape) for k, v in module.items())],
        "frozen_param_shapes": None,
        "shared_params": {},
        "frozen_param_fragments": None,
        "lr_scheduler": None,
        "data_sampler": None,
        "random_ltd": None,
        "sparse_tensor_module_names": set(),
        "skipped_steps": 0,
        "global_steps": 60,
        "global_samples": 480,
        "dp_world_size": 1,
        "mp_world_size": 1,
        "ds_config": {"train_batch_size": 8, "bf16": {"enabled": True}, "zero_optimization": {"stage": 0}},
        "ds_version": "0.18.0",
    }


def attributes():
    """Parameters and tensors with attributes, as sharding and tying code leaves them."""
    first, second = state()
    first = torch.nn.Parameter(first)
    first.ds_id = 0
    second.tag = "a"
    return {"module.blocks.0.att.time_state": first, "module.blocks.1.att.time_state": second, "epoch": torch.tensor(3)}


def package_list():
    """The state of the rwkv package: token shift, matrix, token shift for every layer."""
    return [t for s in state() for t in (torch.zeros(2), s, torch.ones(2))]


def numbers_in_metadata():
    header = {"__metadata__": {"format": "pt", "epoch": 3, "losses": [1.5, 1.25], "best": None}}
    blob = b""
    for name, tensor in [*named("rwkv7.").items(), ("epoch", torch.tensor([3.0]))]:
        raw = tensor.numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(blob), len(blob) + len(raw)]}
        blob += raw
    text = json.dumps(header).encode()
    with open(os.path.join(HERE, "numbers.st"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + blob)


save(lightning(), "lightning.ckpt")
save(deepspeed(), "mp_rank_00_model_states.pt")
save(attributes(), "attributes.pth")
save(named("_orig_mod."), "protocol_4.pth", pickle_protocol=4)
save({"state": named(), "tags": {1, 2}, "frozen": frozenset({3}), "raw": b"x" * 300}, "protocol_5.pth", pickle_protocol=5)
save(package_list(), "package_list.pth")
save(state(), "list.pth")
save([named(), named()], "list_of_dicts.pth")
save({"lr": 0.1, "state": torch.stack(state(torch.float16))}, "stacked.pth")
save({"args": argparse.Namespace(lr=1.0), "state_dict": named()}, "namespace.pth")
save(named(), "old_format.pth", _use_new_zipfile_serialization=False)
numbers_in_metadata()
