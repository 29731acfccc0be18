//! Models of other programs, from the command line.

use crate::{check_output, check_refused, folder, root};

#[test]
fn a_model_of_any_dialect_is_named_and_written_with_the_official_names() {
    let folder = folder();
    let folder = folder.path();
    let golden = root("tests/golden/dialects");
    let golden = golden.to_string_lossy();
    check_output(
        folder,
        &format!("inspect {golden}/rwkv7-hf"),
        &[
            "an RWKV-7 model",
            "dialect        Hugging Face, fla and rwkv7-hf",
            "safetensors in 3 files",
            "L2 C64 H2 N32",
        ],
    );
    check_output(
        folder,
        &format!("inspect {golden}/mixed.gguf"),
        &["llama.cpp (GGUF rwkv7)", "Q4_0 (", "GGUF"],
    );
    check_output(
        folder,
        &format!("export --model {golden}/rwkv7-hf --to pth -o hf.pth"),
        &[
            "saved hf.pth, 72 tensors with the official names",
            "read back and equal",
        ],
    );
    check_output(
        folder,
        &format!("export --model {golden}/mixed.gguf --to safetensors -o gguf.safetensors"),
        &["11 quantised tensors are now F16"],
    );
    for (file, parts) in [
        (
            "hf.pth",
            [
                "official names (RWKV-LM)",
                "F16 (72 tensors), torch archive",
            ],
        ),
        (
            "gguf.safetensors",
            ["official names (RWKV-LM)", "L2 C64 H2 N32"],
        ),
    ] {
        check_output(folder, &format!("inspect {file}"), &parts);
    }
    let refused = |arguments: &str, line: &str| check_refused(folder, arguments, 2, line);
    refused(
        &format!("export --model {golden}/f16.gguf --to pth -o hf.pth"),
        "hf.pth: path: exists already",
    );
    refused(
        &format!("export --model {golden}/f16.gguf --to st -o a.st"),
        "a model is written as pth or safetensors",
    );
    refused(
        "export --model model.gguf --to pth -o a.pth",
        "model.gguf: header: ",
    );
}
