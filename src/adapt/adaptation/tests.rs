//! Whole adaptations of a few steps on the mini model.

use std::path::Path;

use burn::tensor::Device;

use super::*;
use crate::adapt::checkpoint::{Midway, read, write};
use crate::adapt::engine::Engine;
use crate::adapt::guide::{Guide, GuideText, LocalGuide, taken};
use crate::adapt::prompts::Prompts;
use crate::adapt::spec::{Estimator, Exponent};
use crate::data::{Benchmark, Item, Protocol, Split, Task, mini, mini_few_shot};
use crate::model::tokenizer::Tokenizer;
use crate::model::{Model, TextStart, mini as mini_model};
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::state_file::TunedState;

mod option_tests;

struct World {
    model: Model,
    device: Device,
    tokenizer: Tokenizer,
    base: Tuned,
    solved: Vec<Item>,
}

impl World {
    fn new() -> Self {
        let device = Device::flex();
        let checkpoint = mini_model::checkpoint().unwrap();
        let model = Model::load(&checkpoint, &device, &mut |_| Ok(())).unwrap();
        let mut state = TunedState::zero(model.config());
        for (n, value) in state.layers.iter_mut().flatten().enumerate() {
            *value = 0.1 * (0.37 * n as f32).sin();
        }
        Self {
            tokenizer: Tokenizer::mini().unwrap(),
            base: Tuned::from(state),
            solved: mini_few_shot(Benchmark::Gsm8k, 2).unwrap(),
            model,
            device,
        }
    }

    fn states(&self, n: usize) -> States {
        States::new(&self.model, &self.device, &self.base, n).unwrap()
    }

    fn prompts(&self) -> Prompts<'_> {
        Prompts {
            tokenizer: &self.tokenizer,
            protocol: Protocol::Mini,
            text_start: TextStart::Zero,
            stops: &["\n\n"],
            max_new_tokens: 12,
        }
    }

    /// The states after an adaptation, which may be cut off and gone on with.
    fn adapted(
        &self,
        case: &Case<'_>,
        questions: &[Question],
        cut: Option<usize>,
    ) -> (States, Reached) {
        self.adapted_at(0.05, case, questions, cut)
    }

    /// The same at another rate.
    fn adapted_at(
        &self,
        learning_rate: f64,
        case: &Case<'_>,
        questions: &[Question],
        cut: Option<usize>,
    ) -> (States, Reached) {
        let prompts = self.prompts();
        let base = self.states(1);
        let method = Method {
            engine: Engine::new(&self.model, &self.device),
            prompts: &prompts,
            objective: case.objective,
            exponent: 1.0,
            temperature: 1.0,
            group: 3,
            seed: 5,
            base: &base,
            solved: &self.solved,
            guide: case.guide,
        };
        let update = UpdateSpec {
            learning_rate,
            steps: case.steps,
            batch: 2,
            ..UpdateSpec::default()
        };
        let stops = StopSpec {
            budget_tokens: case.budget,
            ..StopSpec::default()
        };
        let adaptation = Adaptation {
            method,
            update: &update,
            stops: &stops,
            mode: case.mode,
            questions,
        };
        let n = if case.mode == Mode::Item {
            questions.len()
        } else {
            1
        };
        let (mut states, mut reached) = (self.states(n), Reached::default());
        let go = |states: &mut States, reached: &mut Reached, until: Option<usize>| {
            let mut each = |taken: AdaptationStep<'_>| match until {
                Some(step) if taken.reached.step == step => Err(crate::Error::Stopped),
                Some(_) | None => Ok(Next::Go),
            };
            adaptation.run(states, reached, &mut each, &mut || Ok(()))
        };
        if let Some(step) = cut {
            go(&mut states, &mut reached, Some(step)).unwrap_err();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("midway.safetensors");
            let midway = Midway {
                part: 0,
                spec: "hash".into(),
                values: states.values().unwrap(),
                reached: reached.clone(),
            };
            write(&path, &midway).unwrap();
            let again = read(&path).unwrap().unwrap();
            assert_eq!(again, midway);
            states = self.states(n);
            states.restore(again.values).unwrap();
            reached = again.reached;
        }
        go(&mut states, &mut reached, None).unwrap();
        (states, reached)
    }
}

#[derive(Clone, Copy)]
struct Case<'a> {
    objective: Objective,
    mode: Mode,
    steps: usize,
    guide: Option<&'a Guide<'a>>,
    budget: Option<f64>,
}

fn items(benchmark: Benchmark, n: usize) -> Vec<Item> {
    let mut items = mini(benchmark, Split::Validation).unwrap();
    items.truncate(n);
    items
}

fn questions(items: &[Item]) -> Vec<Question> {
    items.iter().map(Question::of).collect()
}

/// Texts as a guide that is right would give them.
fn right(world: &World, items: &[Item]) -> Vec<GuideText> {
    let prompts = Prompts {
        max_new_tokens: 200,
        ..world.prompts()
    };
    let text = |item: &Item| {
        let Task::Generate { answer, .. } = &item.task else {
            panic!("{}", item.id);
        };
        let (text, answer, tokens) = taken(&prompts, &Question::of(item), answer).unwrap();
        GuideText {
            id: item.id.clone(),
            prompt_hash: String::new(),
            text,
            written: String::new(),
            shares: Vec::new(),
            answer,
            tokens,
            model: "labels".into(),
            created: String::new(),
            n_tokens: 0,
        }
    };
    items.iter().map(text).collect()
}

const SINGLE_STEP: Objective = Objective::SingleStep {
    exponent: Exponent::Is(1.0),
    estimator: Estimator::Exact,
};

fn gap(a: &TunedState, b: &TunedState) -> f64 {
    let pairs = a.layers.iter().flatten().zip(b.layers.iter().flatten());
    let (mut gap, mut whole) = (0.0, 0.0);
    for (a, b) in pairs {
        gap += f64::from(a - b).powi(2);
        whole += f64::from(*b).powi(2);
    }
    (gap / whole).sqrt()
}

/// Whatever else is in the batch, and in whatever order.
#[test]
fn an_item_ends_in_the_same_state_alone_and_in_a_batch() {
    let world = World::new();
    let items = items(Benchmark::Gsm8k, 3);
    let guide = Guide::new(right(&world, &items), None);
    let objectives = [(SINGLE_STEP, Some(&guide)), (Objective::Entropy, None)];
    for (objective, guide) in objectives {
        let case = Case {
            objective,
            mode: Mode::Item,
            steps: 2,
            guide,
            budget: None,
        };
        let all = questions(&items);
        let (together, reached) = world.adapted(&case, &all, None);
        for idx in [0, 2] {
            let (alone, of_one) = world.adapted(&case, &all[idx..=idx], None);
            let gap = gap(&together.state(idx).unwrap(), &alone.state(0).unwrap());
            assert!(gap < 1e-5, "{objective:?}, {idx}: {gap}");
            assert_eq!(reached.costs[idx], of_one.costs[0]);
        }
        let moved = together.state(0).unwrap();
        assert_ne!(moved, world.base.state, "nothing was moved");
    }
}

/// Other labels, the same bits.
#[test]
fn labels_change_no_state() {
    let world = World::new();
    let same = |benchmark: Benchmark, objective: Objective| {
        let items = items(benchmark, 4);
        let mut others = items.clone();
        for item in &mut others {
            match &mut item.task {
                Task::Generate { answer, .. } => *answer = "#### 77".into(),
                Task::ChooseLetter { gold, .. } => *gold = (*gold + 1) % 4,
                Task::Choose { gold, options, .. } => *gold = (*gold + 1) % options.len(),
                Task::FillIn { gold, .. } => *gold = 1 - *gold,
            }
        }
        let case = Case {
            objective,
            mode: Mode::Shared,
            steps: 2,
            guide: None,
            budget: None,
        };
        let (state, _) = world.adapted(&case, &questions(&items), None);
        let (other, _) = world.adapted(&case, &questions(&others), None);
        let state = state.state(0).unwrap();
        assert_eq!(state, other.state(0).unwrap(), "{objective:?}");
        assert_ne!(state, world.base.state, "{objective:?} moved nothing");
    };
    same(Benchmark::Mmlu, Objective::Information);
    same(Benchmark::Mmlu, Objective::Views { orders: 2 });
    same(Benchmark::Arc, Objective::OptionEntropy);
    same(Benchmark::Gsm8k, Objective::Confidence);
    let distillation = Objective::ContextDistillation {
        examples: 1,
        draws: 2,
    };
    same(Benchmark::Gsm8k, distillation);
}

#[test]
fn an_adaptation_that_was_cut_off_ends_in_the_same_bits() {
    let world = World::new();
    let items = items(Benchmark::Gsm8k, 3);
    let guide = Guide::new(right(&world, &items), None);
    for (mode, objective, guide) in [
        (Mode::Item, SINGLE_STEP, Some(&guide)),
        (Mode::Shared, Objective::Confidence, None),
    ] {
        let case = Case {
            objective,
            mode,
            steps: 3,
            guide,
            budget: None,
        };
        let (straight, reached) = world.adapted(&case, &questions(&items), None);
        let (again, reached_again) = world.adapted(&case, &questions(&items), Some(1));
        assert_eq!(straight.values().unwrap(), again.values().unwrap());
        assert_eq!(reached.curve, reached_again.curve);
        assert_eq!(reached.curve.len(), 3);
    }
}

/// An untuned model gives no answer, so that every reward is 0.
#[test]
fn groups_whose_rewards_are_alike_move_nothing() {
    let world = World::new();
    let items = items(Benchmark::Gsm8k, 2);
    let guide = Guide::new(right(&world, &items), None);
    let case = Case {
        objective: Objective::Answer,
        mode: Mode::Item,
        steps: 3,
        guide: Some(&guide),
        budget: None,
    };
    let (states, reached) = world.adapted(&case, &questions(&items), None);
    for idx in 0..2 {
        assert_eq!(states.state(idx).unwrap(), world.base.state);
        assert_eq!(states.stopped(idx), Some(Stop::Converged));
        assert_eq!(reached.costs[idx].trained, 0);
        assert!(reached.costs[idx].forward > 0);
    }
}

/// A guide that is the base itself has nothing to teach: every divergence is 0.
#[test]
fn a_guide_that_is_the_base_diverges_from_nothing() {
    let world = World::new();
    let items = items(Benchmark::Gsm8k, 2);
    let local = LocalGuide {
        engine: Engine::new(&world.model, &world.device),
        states: world.states(1),
        text_start: TextStart::Zero,
        solved: Vec::new(),
        examples: 0,
        name: "itself".into(),
    };
    let guide = Guide::new([], Some(local));
    let run = |objective| {
        let case = Case {
            objective,
            mode: Mode::Shared,
            steps: 1,
            guide: Some(&guide),
            budget: None,
        };
        world.adapted(&case, &questions(&items), None).1
    };
    let loss = run(Objective::ReverseKlExact).curve[0].loss.unwrap();
    assert!(loss.abs() < 1e-5, "{loss}");
    let reward = run(Objective::ReverseKl { discount: 0.0 }).curve[0]
        .reward
        .unwrap();
    assert!(reward.abs() < 1e-4, "{reward}");
}

#[test]
fn rates_rise_in_three_steps_and_states_stop_where_they_must() {
    let world = World::new();
    let items = items(Benchmark::Mmlu, 2);
    let case = Case {
        objective: Objective::OptionEntropy,
        mode: Mode::Item,
        steps: 2,
        guide: None,
        budget: None,
    };
    let (_, reached) = world.adapted(&case, &questions(&items), None);
    let rates: Vec<f64> = reached.curve.iter().map(|of| of.learning_rate).collect();
    assert!((rates[0] - 0.05 / 3.0).abs() < 1e-12 && (rates[1] - 0.1 / 3.0).abs() < 1e-12);
    let mut states = world.states(2);
    let config = world.model.config();
    let (lh, size) = (config.n_layer * config.n_head, config.head_size);
    let shape = [2, lh, size, size];
    let one = burn::tensor::Tensor::<4>::ones(shape, &world.device);
    // The first goes too far, the second has no number.
    let nan = one.clone().narrow(0, 1, 1) * f32::NAN;
    let gradient = burn::tensor::Tensor::cat(vec![one.narrow(0, 0, 1), nan], 0);
    let moved = states
        .step(gradient, &[true, true], &[10.0, 10.0], Some(1.0), Some(0.5))
        .unwrap();
    assert_eq!(moved, [None, None]);
    assert_eq!(states.stopped(0), Some(Stop::Drifted));
    assert_eq!(states.stopped(1), Some(Stop::NotFinite));
    for idx in 0..2 {
        assert_eq!(states.state(idx).unwrap(), world.base.state);
    }
}

#[test]
fn a_damaged_file_is_told_from_one_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("midway.safetensors");
    assert!(read(Path::new(&path)).unwrap().is_none());
    std::fs::write(&path, [7; 100]).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("is not a safetensors file"), "{error}");
}
