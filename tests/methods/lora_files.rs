//! The files of a LoRA run, and what other programs are given of it.

use burn::tensor::Device;
use gosling::model::checkpoint::{Checkpoint, TensorDType};
use gosling::model::state::ModelState;
use gosling::model::{Model, mini};
use gosling::tuning::spec::{Layers, Method};
use gosling::tuning::states::lift_bundle::{exportable, read_tuned, write_bundle};
use gosling::tuning::states::lora_export::{
    ModuleNames, PEFT_CONFIG, PEFT_TENSORS, read_peft, read_rwkv_peft, write_merged, write_peft,
    write_rwkv_peft,
};
use gosling::tuning::states::state_file::{Metadata, TunedState};

use crate::lora::{lora, shaken, spec, specs};
use crate::support::{assert_close, values};
use crate::{at_step_0, logits, model, tokens};

#[test]
fn a_lora_run_is_one_file_and_s0_alone_is_refused_where_there_is_none() {
    let device = Device::flex();
    let model = model(&device);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lora.safetensors");
    let mut tuned = shaken(at_step_0(&model, &device, Method::Lora(spec(Layers::All))));
    write_bundle(&tuned, &path, &Metadata::default()).unwrap();
    assert_eq!(read_tuned(&path, None).unwrap().0, tuned);
    let with_state = exportable(&path, None, 1.0).unwrap();
    assert_eq!(with_state.state, tuned.state);
    assert!(with_state.left_behind.is_some());
    tuned.state = TunedState::zero(model.config());
    write_bundle(&tuned, &path, &Metadata::default()).unwrap();
    let error = exportable(&path, None, 1.0).unwrap_err().to_string();
    assert!(error.contains("adapters"), "{error}");
}

#[test]
fn adapters_of_other_programs_read_back_equal() {
    let device = Device::flex();
    let model = model(&device);
    let folder = tempfile::tempdir().unwrap();
    for (idx, spec) in specs().into_iter().enumerate() {
        let tuned = shaken(at_step_0(&model, &device, Method::Lora(spec)));
        let lora = lora(&tuned);
        let path = folder.path().join(format!("{idx}.pth"));
        write_rwkv_peft(lora, &path, false).unwrap();
        assert_eq!(read_rwkv_peft(&path, lora.alpha).unwrap(), *lora);
        assert!(write_rwkv_peft(lora, &path, false).is_err());
        write_rwkv_peft(lora, &path, true).unwrap();
        let file = Checkpoint::open(&path).unwrap();
        let a = file.tensor("blocks.2.att.key.lora_A");
        assert_eq!(a.is_some(), lora.layers.contains(&2));
        for names in [ModuleNames::Official, ModuleNames::Fla] {
            let path = folder.path().join(format!("{idx}-{names:?}"));
            write_peft(lora, &path, names, Some("base.pth"), 6, false).unwrap();
            assert_eq!(read_peft(&path).unwrap(), *lora);
            let text = std::fs::read_to_string(path.join(PEFT_CONFIG)).unwrap();
            let config: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(config["peft_type"], "LORA");
            assert_eq!(config["r"], lora.rank);
            assert_eq!(config["lora_alpha"], lora.alpha);
            // PEFT finds each module by the end of its name.
            let bytes = std::fs::read(path.join(PEFT_TENSORS)).unwrap();
            let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            let targets = config["target_modules"].as_array().unwrap();
            for name in tensors.names() {
                let module = name.strip_prefix("base_model.model.").unwrap();
                let module = module.trim_end_matches(".lora_A.weight");
                let module = module.trim_end_matches(".lora_B.weight");
                let is_target = |target: &serde_json::Value| {
                    let target = target.as_str().unwrap();
                    module == target || module.ends_with(&format!(".{target}"))
                };
                assert!(targets.iter().any(is_target), "{name}");
            }
            let prefix = match names {
                ModuleNames::Official => "base_model.model.blocks.3.att.value",
                ModuleNames::Fla => "base_model.model.model.layers.3.attn.v_proj",
            };
            let b = tensors.tensor(&format!("{prefix}.lora_B.weight"));
            assert_eq!(b.is_ok(), lora.layers.contains(&3));
        }
    }
}

/// The merged model without adapters says what the model with adapters says.
#[test]
fn a_merged_model_is_the_model_with_its_adapters() {
    let device = Device::flex();
    let checkpoint = mini::checkpoint().unwrap();
    let model = model(&device);
    let folder = tempfile::tempdir().unwrap();
    for (idx, spec) in specs().into_iter().enumerate() {
        let mut tuned = shaken(at_step_0(&model, &device, Method::Lora(spec)));
        tuned.state = TunedState::zero(model.config());
        let want = logits(&model, &tuned.start(&device), &device);
        let ending = if idx == 0 { "pth" } else { "safetensors" };
        let path = folder.path().join(format!("{idx}.{ending}"));
        let lora = lora(&tuned);
        let dtype = Some(TensorDType::F32);
        write_merged(&checkpoint, lora, &path, dtype, false, &mut |_| Ok(())).unwrap();
        let written = Checkpoint::open(&path).unwrap();
        let merged = Model::load(&written, &device, &mut |_| Ok(())).unwrap();
        let zero = ModelState::zero(merged.config(), 1, &device);
        let got = values(merged.forward(tokens(&device), zero).0);
        let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        assert_close("logits", &got, &want, 1e-4 * largest, 0.0);
        // What has no adapter is as it was.
        for name in [
            "emb.weight",
            "blocks.1.att.key.weight",
            "blocks.4.ffn.key.weight",
        ] {
            let [was, is] = [&checkpoint, &written].map(|of| of.tensor(name).unwrap().to_f32());
            let layer = name.split('.').nth(1).and_then(|layer| layer.parse().ok());
            let has_adapter = layer.is_some_and(|layer: usize| lora.layers.contains(&layer));
            assert_eq!(was == is, !has_adapter, "{name}");
        }
    }
}

/// Adapters of another model are refused in words.
#[test]
fn adapters_that_do_not_fit_are_refused() {
    let device = Device::flex();
    let model = model(&device);
    let tuned = at_step_0(&model, &device, Method::Lora(spec(Layers::All)));
    let mut config = model.config().clone();
    config.n_ffn *= 2;
    let error = tuned.check_fits(&config).unwrap_err().to_string();
    assert!(error.contains("ffn.key"), "{error}");
    config = model.config().clone();
    config.n_layer = 3;
    assert!(lora(&tuned).check_fits(&config).is_err());
}
