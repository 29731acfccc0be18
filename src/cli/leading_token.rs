//! What stood in front of texts in training, and what stands there when a state is
//! used, as options say it.

use std::path::Path;

use clap::ValueEnum;

use crate::format::shown;
use crate::model::{LeadingToken, TextStart};
use crate::tuning::states::state_file::Metadata;

/// What texts begin with when a state is used.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum FedBehind {
    /// As when the state was tuned; if both were drawn, no token 0.
    #[value(help = tr!("As when the state was tuned; if both were drawn, no token 0"))]
    AsTrained,
    /// Token 0.
    #[value(help = tr!("Token 0"))]
    Zero,
    /// No token 0, as in most other programs.
    #[value(help = tr!("No token 0, as in most other programs"))]
    None,
}

/// What stood in front of texts in training.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum TrainedBehind {
    /// Token 0.
    #[value(help = tr!("Token 0"))]
    Zero,
    /// Nothing.
    #[value(help = tr!("Nothing"))]
    None,
    /// Either, drawn for every example.
    #[value(help = tr!("Either, drawn for every example"))]
    Both,
}

impl FedBehind {
    /// What texts begin with behind the state of a file that says this; what is only
    /// taken to be so is told on the error stream. The untuned model reads token 0.
    pub fn text_start(self, state: Option<(&Path, &Metadata)>) -> TextStart {
        match (self, state) {
            (_, None) | (Self::Zero, Some(_)) => TextStart::Zero,
            (Self::None, Some(_)) => TextStart::None,
            (Self::AsTrained, Some((path, metadata))) => {
                if !metadata.says_trained_behind() {
                    eprintln!(
                        "{}",
                        tr!(
                            "gosling: {} does not state the leading token of training; texts are read without token 0, as in most trainers (--leading-token zero adds it)",
                            shown(path)
                        )
                    );
                }
                metadata.text_start()
            }
        }
    }
}

impl From<TrainedBehind> for LeadingToken {
    fn from(of: TrainedBehind) -> Self {
        match of {
            TrainedBehind::Zero => Self::Zero,
            TrainedBehind::None => Self::None,
            TrainedBehind::Both => Self::Both,
        }
    }
}

/// What stood in front of texts when the state of a file that says this was trained,
/// and who says so. Where the user and the file differ, that is told on the error
/// stream.
pub(super) fn trained_behind(
    told: Option<TrainedBehind>,
    metadata: &Metadata,
) -> (LeadingToken, &'static str) {
    let found = metadata.trained_behind();
    let Some(told) = told.map(LeadingToken::from) else {
        let why = if metadata.leading_token.is_some() {
            tr!("as the file says")
        } else if metadata.gosling_version.is_some() {
            tr!("as in older versions of Gosling, which did not record it")
        } else {
            tr!(
                "since the file does not state it, and most trainers use none; override it with --leading-token zero or both"
            )
        };
        return (found, why);
    };
    if metadata.leading_token.is_some_and(|said| said != told) {
        eprintln!(
            "{}",
            tr!(
                "gosling: the file says that the state was trained with data.leading_token {}, not {}",
                found.name(),
                told.name()
            )
        );
    }
    (told, tr!("as --leading-token says"))
}
