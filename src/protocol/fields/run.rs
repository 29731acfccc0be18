//! The fields of the run, its model and its data.

use super::field::{Field, choice, slot};
use super::range::Range;
use crate::data::Template;
use crate::protocol::run_spec::{CheckpointSource, DataSource, HeldOut, RunSpec, VocabularySource};

/// The longest text and answer, in tokens.
pub const MAX_CONTEXT: usize = 1_048_576;

pub(super) const RUN: &[Field] = &[
    Field::new("name", "Name", |spec| slot(&mut spec.name))
        .hint("The name of the run's folder begins with this. Use letters, digits, - _ and . (at most 64)."),
    Field::new("device", "Device", |spec| choice(&mut spec.device))
        .hint("Where the run computes. Automatic: a real GPU if there is one, else the CPU. A software GPU is used only if you choose it."),
];

pub(super) const MODEL: &[Field] = &[
    Field::new("model.checkpoint", "Weights", |spec| {
        choice(&mut spec.model.checkpoint)
    })
    .hint("The frozen model: an RWKV-7 (x070) file (.pth, .safetensors, .st, .gguf, .bin), the folder of a Hugging Face model (also a Gated DeltaNet of fla), or the mini model that ships with Gosling. Its weights never change."),
    Field::new("model.checkpoint", "Weights path", |spec| {
        match &mut spec.model.checkpoint {
            CheckpointSource::Mini => None,
            CheckpointSource::File(path) => slot(path),
        }
    })
    .hint("The file or the folder with the weights."),
    Field::new("model.vocabulary", "Vocabulary", |spec| {
        choice(&mut spec.model.vocabulary)
    })
    .hint("How text becomes tokens. Auto: the tokenizer.json of a Gated DeltaNet, else World if the model has 65,536 tokens, mini if 4,096."),
    Field::new("model.vocabulary", "Vocabulary file", |spec| {
        match &mut spec.model.vocabulary {
            VocabularySource::Auto | VocabularySource::Mini | VocabularySource::World => None,
            VocabularySource::File(path) => slot(path),
        }
    })
    .hint("A vocabulary in the official text format, or a tokenizer.json."),
    Field::new("model.precision", "Weight precision", |spec| {
        choice(&mut spec.model.precision)
    })
    .hint("How the frozen weight matrices are stored. Sums, activations and the state always use 32-bit floats. Every device supports all of them. A GPU with matrix units behind Vulkan is faster with all but 32-bit floats: products and the recurrence then take 16-bit factors. Official models are in bfloat16, which loses nothing. 8 bits take a quarter of the memory of 32 bits, 4 bits about an eighth; with 4 bits the embedding and the output matrix keep 8."),
];

pub(super) const DATA: &[Field] = &[
    Field::new("data.source", "Data set", |spec| {
        choice(&mut spec.data.source)
    })
    .hint("What the state is tuned on. The -mini sets ship with Gosling and are not the official benchmarks. Official benchmarks are read from their own files."),
    Field::new("data.source.folder", "Benchmark folder", |spec| {
        match &mut spec.data.source {
            DataSource::Official { folder, .. } => slot(folder),
            DataSource::Mini(_) | DataSource::Jsonl { .. } => None,
        }
    })
    .hint("The folder with the official files of the benchmark."),
    Field::new("data.source.train", "Training file", |spec| {
        match &mut spec.data.source {
            DataSource::Jsonl { train, .. } => slot(train),
            DataSource::Mini(_) | DataSource::Official { .. } => None,
        }
    })
    .hint("Chats (messages or conversations), instructions (Alpaca), prompts and completions, segments, or texts: JSON Lines, a JSON array, or a table (CSV) with a header, packed with gzip or not. Tokens (.bin and .idx) and a folder of text files are read too."),
    Field::new("data.source.validation", "Validation file", |spec| {
        match &mut spec.data.source {
            DataSource::Jsonl { validation, .. } => slot(validation),
            DataSource::Mini(_) | DataSource::Official { .. } => None,
        }
    })
    .optional("none", 0.0)
    .hint("Held-out examples in the same format. Without it, some examples of the training file are held out."),
    Field::new("data.source.template", "Template", |spec| {
        match &mut spec.data.source {
            DataSource::Jsonl { template, .. } => choice(template),
            DataSource::Mini(_) | DataSource::Official { .. } => None,
        }
    })
    .hint("The text around prompts, answers and the turns of a chat. User, Assistant is the format that RWKV-7 G1 and World were trained with; the ones with thoughts are the other formats of G1."),
    Field::new("data.source.template", "Template file", |spec| {
        match &mut spec.data.source {
            DataSource::Jsonl {
                template: Template::File(path),
                ..
            } => slot(path),
            DataSource::Jsonl { .. } | DataSource::Mini(_) | DataSource::Official { .. } => None,
        }
    })
    .hint("A short RON file, as in (name: \"Mine\", before: \"Q: \", after: \"\\n\\nA:\", answer_before: \" \", answer_after: \"\\n\\n\", stops: [\"\\n\\n\"], one_paragraph: true)."),
    Field::new("data.held_out", "Held-out examples", |spec| {
        choice(&mut spec.data.held_out)
    })
    .used_if(holds_out)
    .hint("The examples of the training file that are kept for validation if there is no validation file. Automatic: 5 %, at least 20 and at most 500; of 10 to 50 examples none, and the number of steps is chosen by cross-validation. Examples with nearly the same prompt stay together."),
    Field::new("data.held_out", "Held-out share", |spec| {
        match &mut spec.data.held_out {
            HeldOut::Share(share) => slot(share),
            HeldOut::Auto | HeldOut::None | HeldOut::Count(_) => None,
        }
    })
    .used_if(holds_out)
    .range(Range::above(0.0).below(1.0))
    .hint("The share of the examples that is held out."),
    Field::new("data.held_out", "Held-out number", |spec| {
        match &mut spec.data.held_out {
            HeldOut::Count(count) => slot(count),
            HeldOut::Auto | HeldOut::None | HeldOut::Share(_) => None,
        }
    })
    .used_if(holds_out)
    .range(Range::from(1.0))
    .hint("The number of examples that are held out."),
    Field::new("data.append_end", "End token", |spec| {
        slot(&mut spec.data.append_end)
    })
    .used_if(has_own_texts)
    .hint("Ends every example with token 0, the end of a document, so that the model learns where to stop. For texts that do not end with a blank line."),
    Field::new("data.train_limit", "Training examples", |spec| {
        slot(&mut spec.data.train_limit)
    })
    .range(Range::from(1.0))
    .optional("all", 500.0)
    .hint("At most this many training examples, the first ones of the set."),
    Field::new("data.loss_on", "Loss on", |spec| {
        choice(&mut spec.data.loss_on)
    })
    .hint("The tokens that count in the loss: every answer of an example, its last answer, what the data mark with train or weight, or every token after the first."),
    Field::new("data.leading_token", "Leading token", |spec| {
        choice(&mut spec.data.leading_token)
    })
    .hint("The token before every text, in training and wherever the state is used. The untuned model always reads token 0 first. Most other programs (RWKV-Runner, Ai00, the rwkv package) feed the text directly to a tuned state, and a state trained with token 0 does worse there. Both: one of the two at random for every example; such a state is evaluated without token 0."),
    Field::new("data.context_length", "Context length", |spec| {
        slot(&mut spec.data.context_length)
    })
    .symbol("T")
    .unit("tokens")
    .range(Range::whole(2, MAX_CONTEXT))
    .hint("The most tokens of a training example. A larger value makes short examples no more expensive. If long texts take too much memory, set a window length."),
    Field::new("data.long_texts", "Long texts", |spec| {
        choice(&mut spec.data.long_texts)
    })
    .hint("What becomes of examples with more tokens than the context length: they are left out, cut at its end, or split into several examples, between turns where that is possible. They are counted in any case. By default texts without speakers are split and everything else is left out."),
];

/// Whether some of the user's own examples may be held out.
fn holds_out(spec: &RunSpec) -> bool {
    match &spec.data.source {
        DataSource::Jsonl { validation, .. } => validation.is_none(),
        DataSource::Mini(_) | DataSource::Official { .. } => false,
    }
}

/// Whether the data are the user's own texts.
fn has_own_texts(spec: &RunSpec) -> bool {
    matches!(spec.data.source, DataSource::Jsonl { .. })
}
