//! Every run that ships with the program, for one step of a tiny model.

use burn::tensor::Device;
use gosling::data::Example;
use gosling::model::random::{SHAPE_0_1B, random_checkpoint};
use gosling::model::{Model, ModelConfig};
use gosling::persist::presets::{PRESETS, preset};
use gosling::tuning::states::state_file::TunedState;
use gosling::tuning::train::batch::Batch;
use gosling::tuning::train::trainer::Trainer;

#[test]
fn every_preset_takes_a_step() {
    let config = ModelConfig {
        n_layer: 2,
        n_embd: 128,
        n_head: 2,
        vocab_size: 64,
        n_ffn: 256,
        ..SHAPE_0_1B
    };
    let device = Device::flex();
    let checkpoint = random_checkpoint(&config, 1).unwrap();
    let model = Model::load(&checkpoint, &device, &mut |_| Ok(())).unwrap();
    let examples = [Example::new((1..20).collect(), (20..28).collect())];
    for (name, _) in PRESETS {
        let spec = preset(name).unwrap();
        spec.check().unwrap();
        let start = TunedState::zero(&config);
        let (method, training) = (&spec.method, &spec.training);
        let trainer = Trainer::new(&model, &device, method, training, &start, &examples);
        let mut trainer = trainer.unwrap();
        let before = trainer.tuned().unwrap();
        let batch = [Batch::new(&[&examples[0]], spec.data.loss_on)];
        // The first step of a warm-up has the rate 0.
        for _ in 0..2 {
            trainer.step(&batch).unwrap();
        }
        let numbers = trainer.read_steps().unwrap();
        assert_eq!(trainer.divergence(), None, "{name}");
        assert!(numbers.iter().all(|of| of.loss.is_finite()), "{name}");
        // The paper's kernels do not reach vectors that are no unit vectors.
        let is_literal = *name == "paper-literal";
        assert!(is_literal || numbers[0].grad_norm > 0.0, "{name}");
        assert!(trainer.tuned().unwrap() != before, "{name}");
    }
}
