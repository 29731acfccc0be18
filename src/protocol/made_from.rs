//! What a state says of the run that made it, so that it is used as it was trained.

use super::run_spec::{DataSource, RunSpec, VocabularySource};
use crate::data::{PromptFormat, Protocol};
use crate::error::Result;
use crate::model::tokenizer::{TOKENIZER_JSON, Tokenizer};
use crate::tuning::spec::Method;

impl RunSpec {
    /// What stands around a prompt in training.
    ///
    /// # Errors
    /// A template's file that cannot be used.
    pub fn prompt_format(&self) -> Result<PromptFormat> {
        Ok(match &self.data.source {
            DataSource::Mini(benchmark) => Protocol::Mini.prompt_format(*benchmark),
            DataSource::Official { benchmark, .. } => {
                let mmlu = self.evaluation.mmlu;
                Protocol::LmEval { mmlu }.prompt_format(*benchmark)
            }
            DataSource::Jsonl { template, .. } => template.prompt_format()?,
        })
    }

    /// What the user calls the data.
    pub fn data_name(&self) -> String {
        match &self.data.source {
            DataSource::Mini(benchmark) => benchmark.mini_name().to_owned(),
            DataSource::Official { folder, .. } => folder.display().to_string(),
            DataSource::Jsonl {
                train, validation, ..
            } => match validation {
                Some(validation) => tr!("{} and {}", train.display(), validation.display()),
                None => train.display().to_string(),
            },
        }
    }
}

/// Data sets that are counted.
#[cfg(feature = "gui")]
const MAX_SOURCES: usize = 9;

/// What the user calls the data of several runs: their name where all have the same.
#[cfg(feature = "gui")]
pub(crate) fn data_names<'a>(specs: impl IntoIterator<Item = &'a RunSpec>) -> String {
    // Most runs are of the same data, and this is asked for while they are drawn.
    let mut sources: Vec<&RunSpec> = Vec::new();
    for spec in specs {
        let is_known = |of: &&RunSpec| of.data.source == spec.data.source;
        if !sources.iter().any(is_known) {
            sources.push(spec);
        }
        if sources.len() > MAX_SOURCES {
            return tr!("many data sets").into();
        }
    }
    let mut names: Vec<String> = sources.iter().map(|spec| spec.data_name()).collect();
    names.sort_unstable();
    names.dedup();
    match &names[..] {
        [] => String::new(),
        [one] => one.clone(),
        all => tr!("{} data sets", all.len()),
    }
}

impl VocabularySource {
    /// What the user calls this vocabulary, which was read as `tokenizer`.
    pub fn name(&self, tokenizer: &Tokenizer) -> String {
        const MINI_IDS: usize = 4096;
        match self {
            Self::Auto if tokenizer.is_tokenizer_json() => TOKENIZER_JSON.into(),
            Self::Auto if tokenizer.vocab_size() == MINI_IDS => "mini".into(),
            Self::Mini => "mini".into(),
            Self::Auto | Self::World => "World".into(),
            Self::File(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                name.to_string_lossy().into_owned()
            }
        }
    }
}

impl Method {
    /// The name in a state's metadata.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Base => "Base",
            Self::Standard(_) => "Standard",
            Self::Lifted(_) => "Lifted",
            Self::PaperLiteral(_) => "PaperLiteral",
            Self::Lora(_) => "Lora",
        }
    }
}
