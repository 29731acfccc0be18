//! The settings of the states view, kept over restarts.

use eframe::egui::{Pos2, Rect};
use serde::{Deserialize, Serialize};

use crate::colormap::{Limits, Scale};
use crate::protocol::event::RunId;
use crate::tuning::inspect::head_matrices::MatrixKind;
use crate::tuning::inspect::trajectory::Place;
use crate::ui::widgets::player::Player;

/// What the ends of the colours of a state's picture stand for.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum ColourRange {
    /// The same limits for every head, so that they compare.
    #[default]
    Shared,
    /// Each head has limits of its own, so that faint ones show.
    PerHead,
    /// These, whatever is shown, so that runs and steps compare.
    Locked(Limits),
}

/// What is taken off a state before it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CompareWith {
    /// Nothing.
    #[default]
    Nothing,
    /// The same run after so many steps.
    Step(usize),
    /// Another run.
    Run(RunId),
}

/// What is shown beside a matrix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Beside {
    /// Nothing.
    #[default]
    Nothing,
    /// Another head of the same state.
    Head(Place),
    /// The same head after so many steps.
    Step(usize),
    /// The same head of another run.
    Run(RunId),
}

/// Which part of a state is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatesSettings {
    /// The layer of the large picture.
    pub layer: usize,
    /// Its head.
    pub head: usize,
    /// The frozen matrix whose adapter is looked at, by its number among those that can
    /// have one.
    pub target: usize,
    /// The matrix.
    pub kind: MatrixKind,
    /// The colours.
    pub scale: Scale,
    /// What their ends stand for.
    pub range: ColourRange,
    /// Whether the state is followed over a text.
    pub follows_text: bool,
    /// The text.
    pub text: String,
    /// Whether it starts from the untuned model.
    pub from_untuned: bool,
    /// The snapshot that is shown; the newest state without.
    #[serde(skip)]
    pub step: Option<usize>,
    /// What is taken off it.
    #[serde(skip)]
    pub compare: CompareWith,
    /// What is shown beside it.
    #[serde(skip)]
    pub beside: Beside,
    /// Whether what heads are worth is drawn over them, once it is measured.
    pub shows_worth: bool,
    /// Tokens of the text that are done; all without.
    #[serde(skip)]
    pub token: Option<usize>,
    /// Whether the tokens continue by themselves.
    #[serde(skip)]
    pub tokens: Player,
    /// Whether the snapshots do.
    #[serde(skip)]
    pub steps: Player,
    /// The part of the matrix that is shown, 0 to 1 both ways.
    #[serde(skip, default = "whole")]
    pub zoom: Rect,
}

impl StatesSettings {
    /// All of a matrix.
    pub const WHOLE: Rect = Rect {
        min: Pos2::ZERO,
        max: Pos2::new(1.0, 1.0),
    };

    /// The head that is looked at, or the adapter.
    pub fn place(&self) -> Place {
        Place {
            layer: self.layer,
            head: match self.kind.is_of_adapter() {
                true => self.target,
                false => self.head,
            },
        }
    }

    /// The number of the head or of the adapter's matrix, to be changed.
    pub fn across(&mut self) -> &mut usize {
        match self.kind.is_of_adapter() {
            true => &mut self.target,
            false => &mut self.head,
        }
    }

    /// Looks at another kind of matrix. What stands beside it goes where it is a head
    /// and the matrix is an adapter's, or the other way round.
    pub fn turn_to(&mut self, kind: MatrixKind) {
        if kind.is_of_adapter() != self.kind.is_of_adapter() {
            if let Beside::Head(_) = self.beside {
                self.beside = Beside::Nothing;
            }
            self.zoom = Self::WHOLE;
            if let ColourRange::Locked(_) = self.range {
                self.range = ColourRange::Shared;
            }
        }
        self.kind = kind;
    }

    /// Whether a part of the matrix is shown.
    pub fn is_zoomed(&self) -> bool {
        self.zoom != Self::WHOLE
    }
}

fn whole() -> Rect {
    StatesSettings::WHOLE
}

impl Default for StatesSettings {
    fn default() -> Self {
        Self {
            layer: 0,
            head: 0,
            target: 0,
            kind: MatrixKind::default(),
            scale: Scale::default(),
            range: ColourRange::default(),
            follows_text: false,
            text: String::new(),
            from_untuned: false,
            step: None,
            compare: CompareWith::default(),
            beside: Beside::default(),
            shows_worth: true,
            token: None,
            tokens: Player::default(),
            steps: Player::default(),
            zoom: Self::WHOLE,
        }
    }
}
