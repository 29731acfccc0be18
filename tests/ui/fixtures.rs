//! Runs in every condition, made of the events that a worker would report.

use std::path::{Path, PathBuf};

use gosling::protocol::event::{
    Answer, AnswerEnd, DeviceEvent, EvaluationPhase, EvaluationSummary, Event, FailureKind,
    JobEvent, KernelDistances, RunCosts, RunEvent, RunId, RunOutcome, Score, StepMetrics,
    WrittenAnswers,
};
use gosling::protocol::run_spec::RunSpec;
use gosling::runs::RunStore;
use gosling::tuning::states::state_file::{Metadata, TunedState, write_safetensors};

/// Numbers that look like noise, the same every time.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    /// From -1 to 1.
    pub fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 40) as f64 / f64::from(1 << 23) - 1.0
    }
}

/// A run under way, told event by event.
pub struct Told<'a> {
    store: &'a mut RunStore,
    pub run: RunId,
    noise: Noise,
}

impl<'a> Told<'a> {
    /// A run that begins, with its accuracy before.
    pub fn begin(store: &'a mut RunStore, name: &str, folder: &Path) -> Self {
        Self::begin_of(store, name, folder, 200)
    }

    /// The same of a run of `n_steps`.
    pub fn begin_of(store: &'a mut RunStore, name: &str, folder: &Path, n_steps: usize) -> Self {
        let run = RunId(name.into());
        let mut spec = RunSpec::default();
        spec.training.steps = n_steps;
        let noise = Noise::new(name.bytes().map(u64::from).sum());
        store.apply(Event::Run(
            run.clone(),
            RunEvent::Started {
                spec: Box::new(spec),
                folder: folder.to_path_buf(),
                first_step: 0,
                notes: vec!["the largest step takes about 252 MiB of memory".into()],
            },
        ));
        let mut told = Self { store, run, noise };
        // Every run trains twice as much as the one before it.
        let place = told.store.runs().len() as u64;
        let costs = RunCosts {
            trained: 98_304 << (place % 8),
            memory: (180 + 40 * place) << 20,
        };
        let costed = RunEvent::Costed(costs);
        told.store.apply(Event::Run(told.run.clone(), costed));
        told.score(EvaluationPhase::Before, 0);
        told.score(EvaluationPhase::FewShot, 9);
        told
    }

    /// The run of that name again.
    pub fn again(store: &'a mut RunStore, name: &str) -> Self {
        let run = RunId(name.into());
        let noise = Noise::new(7);
        Self { store, run, noise }
    }

    /// The same run by another specification.
    pub fn change_spec(&mut self, change: impl FnOnce(&mut RunSpec)) {
        let Some(run) = self.store.get(&self.run) else {
            return;
        };
        let (mut spec, folder) = (run.spec.clone(), run.folder.clone());
        change(&mut spec);
        self.store.apply(Event::Run(
            self.run.clone(),
            RunEvent::Started {
                spec: Box::new(spec),
                folder,
                first_step: 0,
                notes: Vec::new(),
            },
        ));
    }

    /// An accuracy of the first 200 items.
    pub fn score_part(&mut self, phase: EvaluationPhase, n_correct: usize) {
        let written = WrittenAnswers {
            max_new_tokens: 140,
            n_items: 200,
            n_ended: 191,
            n_extracted: 197,
        };
        self.score_of(phase, n_correct, 200, Some(written));
    }

    pub fn score(&mut self, phase: EvaluationPhase, n_correct: usize) {
        self.score_of(phase, n_correct, 500, None);
    }

    fn score_of(
        &mut self,
        phase: EvaluationPhase,
        n_correct: usize,
        n_items: usize,
        written: Option<WrittenAnswers>,
    ) {
        let score = |name: &str, n_correct| Score {
            name: name.into(),
            n_correct,
            n_items,
        };
        self.store.apply(Event::Run(
            self.run.clone(),
            RunEvent::EvaluationFinished {
                phase,
                summary: EvaluationSummary {
                    benchmark: "gsm8k-mini".into(),
                    few_shot: if phase == EvaluationPhase::FewShot {
                        5
                    } else {
                        0
                    },
                    scores: vec![score("strict", n_correct), score("flexible", n_correct + 8)],
                    n_total: 500,
                    written,
                    left_out: 0,
                    secs: 25.0,
                },
            },
        ));
    }

    /// Something of it is scored just now.
    pub fn scores(&mut self, phase: EvaluationPhase, done: usize, total: usize) {
        let run = self.run.clone();
        let progress = RunEvent::EvaluationProgress { phase, done, total };
        self.store.apply(Event::Run(run, progress));
    }

    /// Steps up to `last`, with validation losses every 50.
    pub fn steps(&mut self, last: usize) {
        for step in 1..=last {
            let age = step as f64;
            let loss = 4.0 * (-age / 35.0).exp() + 0.32 + 0.06 * self.noise.next();
            self.step(step, loss);
            if step % 50 == 0 {
                let loss = 4.0 * (-age / 35.0).exp() + 0.36 + (age - 150.0).max(0.0) * 1e-3;
                let run = self.run.clone();
                self.store.apply(Event::Run(
                    run,
                    RunEvent::Validated {
                        step,
                        loss,
                        accuracy: None,
                        best: true,
                    },
                ));
            }
        }
        let run = self.run.clone();
        let path = PathBuf::from("checkpoint");
        self.store.apply(Event::Run(
            run,
            RunEvent::CheckpointSaved {
                step: last - last % 50,
                path,
            },
        ));
    }

    /// The state of a step as a file.
    pub fn export(&mut self, step: usize) {
        self.store.apply(Event::Run(
            self.run.clone(),
            RunEvent::StateExported {
                step,
                path: PathBuf::from("state.safetensors"),
                bytes: 393_216,
            },
        ));
    }

    pub fn step(&mut self, step: usize, loss: f64) {
        let age = step as f64;
        self.store.apply(Event::Run(
            self.run.clone(),
            RunEvent::Step(StepMetrics {
                step,
                loss,
                grad_norm: 0.12 * (-age / 20.0).exp() + 0.012 + 0.002 * self.noise.next(),
                state_norm: 620.0 * (1.0 - (-age / 45.0).exp()),
                learning_rate: 0.1 * (age / 10.0).min(1.0) * (0.5 + 0.5 * (age / 64.0).cos()),
                tokens: 2000,
                secs: 0.5 + 0.02 * self.noise.next(),
                lift: None,
                lora: None,
            }),
        ));
    }

    pub fn end(self, outcome: RunOutcome) {
        self.store
            .apply(Event::Run(self.run, RunEvent::Ended(outcome)));
    }
}

fn ready(store: &mut RunStore) {
    store.apply(Event::Device(DeviceEvent::Ready {
        device: "A processor, 8 threads (as requested)".into(),
    }));
    store.apply(Event::Device(DeviceEvent::ModelLoaded {
        model: "rwkv7-mini-7m-f16.pth, 7.3 M parameters, 6 layers, 4 heads of 64".into(),
        bytes: 29_349_888,
        secs: 0.3,
    }));
}

pub fn running() -> RunStore {
    let mut store = RunStore::default();
    ready(&mut store);
    Told::begin(&mut store, "standard-0001", Path::new("runs/standard-0001")).steps(120);
    store
}

/// Two finished runs, the second with its state in `folder`.
pub fn finished(folder: &Path) -> RunStore {
    let mut store = RunStore::default();
    ready(&mut store);
    for (name, n_correct) in [("standard-0001", 231), ("batch-8-0002", 243)] {
        let mut told = Told::begin(&mut store, name, folder);
        told.steps(200);
        told.score(EvaluationPhase::After, n_correct);
        told.export(200);
        told.end(RunOutcome::Finished);
    }
    store
}

pub fn diverged() -> RunStore {
    let mut store = RunStore::default();
    ready(&mut store);
    let mut told = Told::begin(&mut store, "rate-2-0001", Path::new("runs/rate-2-0001"));
    told.steps(73);
    told.step(74, f64::NAN);
    told.end(RunOutcome::Diverged {
        step: 74,
        detail: "layer 3, head 1, the state is not finite".into(),
    });
    store
}

pub fn failed() -> RunStore {
    let mut store = running();
    let failure = RunEvent::Failed {
        kind: FailureKind::Work,
        during: "saving".into(),
        message: "cannot write runs/standard-0001/checkpoints: the disk is full; free some space and resume".into(),
    };
    store.apply(Event::Run(RunId("standard-0001".into()), failure));
    store
}

/// Names that do not fit, in numbers that do not either.
pub fn crowded() -> RunStore {
    let mut store = RunStore::default();
    ready(&mut store);
    for idx in 0..200 {
        let name = format!("an-absurdly-long-name-that-goes-on-and-on-and-then-some-{idx:04}");
        let mut told = Told::begin(&mut store, &name, Path::new("runs/long"));
        told.steps(12);
        told.end(RunOutcome::Stopped { step: 12 });
    }
    store
}

/// Writes a state with some structure into `folder`.
pub fn write_state(folder: &Path) {
    let (n_layer, n_head, n) = (6, 4, 64);
    let mut noise = Noise::new(7);
    let layer = |layer: usize, noise: &mut Noise| -> Vec<f32> {
        let mut values = Vec::with_capacity(n_head * n * n);
        for head in 0..n_head {
            for row in 0..n {
                for column in 0..n {
                    let wave = (row as f64 / 5.0 + head as f64).sin() * (column as f64 / 7.0).cos();
                    values.push(((wave + 0.5 * noise.next()) * (1.0 + layer as f64)) as f32);
                }
            }
        }
        values
    };
    let state = TunedState {
        n_layer,
        n_head,
        head_size: n,
        key_size: n,
        layers: (0..n_layer).map(|idx| layer(idx, &mut noise)).collect(),
        shifts: None,
    };
    write_safetensors(
        &state,
        folder.join("state.safetensors"),
        &Metadata::default(),
    )
    .unwrap();
}

/// Both answers to a prompt, complete; its name.
pub fn answers(store: &mut RunStore) -> RunId {
    let run = RunId("prompt 1".into());
    let texts = [
        (
            Answer::Untuned,
            " The apples are in the basket, and the man said",
            24,
        ),
        (Answer::Tuned, " 3 + 4 = 7\n#### 7", 11),
    ];
    for (answer, text, n_tokens) in texts {
        store.apply(Event::Job(JobEvent::Generated {
            name: run.clone(),
            answer,
            text: text.into(),
        }));
        let end = match answer {
            Answer::Untuned => AnswerEnd::MaxTokens,
            Answer::Tuned => AnswerEnd::EndOfDocument,
        };
        store.apply(Event::Job(JobEvent::GenerationEnded {
            name: run.clone(),
            answer,
            n_tokens,
            secs: 0.25,
            end,
        }));
    }
    run
}

/// Distances of the kernels of `spec`, shaped as real ones are.
pub fn distances(store: &mut RunStore, spec: &RunSpec) {
    let mut noise = Noise::new(3);
    let mut around = |centre: f64, width: f64| -> Vec<f32> {
        let mut values: Vec<f32> = (0..2000)
            .map(|_| (centre + width * (noise.next() + noise.next() + noise.next())) as f32)
            .collect();
        values.sort_unstable_by(f32::total_cmp);
        values
    };
    let distances = KernelDistances {
        pairs: around(1.7, 0.3),
        nearest: around(0.6, 0.12),
    };
    store.apply(Event::Job(JobEvent::DistancesMeasured {
        spec: Box::new(spec.clone()),
        distances,
    }));
}
