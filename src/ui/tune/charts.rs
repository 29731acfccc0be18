//! Which charts of the steps there are, in which order and how large, and layouts of
//! them under names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ui::widgets::metric::Metric;

/// What stands for the layout of the program in what is kept.
const DEFAULT: &str = "default";
/// Letters that the name of a layout may have.
pub const MAX_NAME: usize = 40;

/// The room that a chart has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartSize {
    /// Half a row; two stand beside each other.
    Half,
    /// A row.
    Row,
    /// A row that is higher.
    Tall,
}

impl ChartSize {
    /// Every size, the smallest first.
    pub const ALL: [Self; 3] = [Self::Half, Self::Row, Self::Tall];

    /// The name the user sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Half => tr!("chart" => "Half"),
            Self::Row => tr!("chart" => "Row"),
            Self::Tall => tr!("chart" => "Tall"),
        }
    }
}

/// A chart and its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChartPlace {
    /// What is drawn.
    pub metric: Metric,
    /// How large.
    pub size: ChartSize,
}

impl ChartPlace {
    /// As it is kept: by names that no translation changes.
    fn kept(&self) -> String {
        format!("{:?} {:?}", self.metric, self.size)
    }

    /// What was kept; none of what this version does not know.
    fn read(kept: &str) -> Option<Self> {
        let (metric, size) = kept.split_once(' ')?;
        let metric = Metric::ALL
            .into_iter()
            .find(|of| format!("{of:?}") == metric)?;
        let size = ChartSize::ALL
            .into_iter()
            .find(|of| format!("{of:?}") == size);
        let size = size.unwrap_or(ChartSize::Half);
        Some(Self { metric, size })
    }
}

/// The charts in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct ChartLayout(Vec<ChartPlace>);

impl Default for ChartLayout {
    /// The loss on top of all others.
    fn default() -> Self {
        let size = |metric| match metric {
            Metric::Loss => ChartSize::Tall,
            _ => ChartSize::Half,
        };
        let place = |metric| ChartPlace {
            metric,
            size: size(metric),
        };
        Self(Metric::ALL.into_iter().map(place).collect())
    }
}

impl From<ChartLayout> for Vec<String> {
    fn from(layout: ChartLayout) -> Self {
        // Who changed nothing gets the charts of later versions too.
        match layout == ChartLayout::default() {
            true => vec![DEFAULT.into()],
            false => layout.0.iter().map(ChartPlace::kept).collect(),
        }
    }
}

impl From<Vec<String>> for ChartLayout {
    fn from(kept: Vec<String>) -> Self {
        if kept == [DEFAULT] {
            return Self::default();
        }
        let mut layout = Self(Vec::new());
        for place in kept.iter().filter_map(|kept| ChartPlace::read(kept)) {
            if layout.find(place.metric).is_none() {
                layout.0.push(place);
            }
        }
        layout
    }
}

impl ChartLayout {
    /// The charts in their order.
    pub fn places(&self) -> &[ChartPlace] {
        &self.0
    }

    /// What is drawn, in order.
    pub fn metrics(&self) -> impl Iterator<Item = Metric> {
        self.0.iter().map(|place| place.metric)
    }

    /// The number of a chart; none where it is not there.
    pub fn find(&self, metric: Metric) -> Option<usize> {
        self.0.iter().position(|place| place.metric == metric)
    }

    /// What is not drawn.
    pub fn others(&self) -> impl Iterator<Item = Metric> {
        let others = Metric::ALL.into_iter();
        others.filter(|metric| self.find(*metric).is_none())
    }
}

/// A change of the charts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartChange {
    /// Add a chart behind the others, or remove it.
    Toggle(Metric),
    /// Move a chart to a place among the others.
    Move(Metric, usize),
    /// Give a chart other room.
    Resize(Metric, ChartSize),
    /// Arrange the charts as under a name; without one as the program does.
    Use(Option<String>),
    /// Save how they are arranged under a name, in place of what is there.
    Save(String),
    /// Delete what is saved under a name.
    Delete(String),
}

/// The charts as they are arranged, and layouts that were saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChartLayouts {
    /// As they are arranged.
    pub now: ChartLayout,
    /// Layouts by their names.
    pub saved: BTreeMap<String, ChartLayout>,
}

impl ChartLayouts {
    /// Makes a change. What it names may be gone; then nothing happens.
    pub fn apply(&mut self, change: ChartChange) {
        let now = &mut self.now;
        match change {
            ChartChange::Toggle(metric) => match now.find(metric) {
                Some(at) => {
                    now.0.remove(at);
                }
                None => now.0.push(ChartPlace {
                    metric,
                    size: ChartSize::Half,
                }),
            },
            ChartChange::Move(metric, to) => {
                if let Some(at) = now.find(metric) {
                    let place = now.0.remove(at);
                    now.0.insert(to.min(now.0.len()), place);
                }
            }
            ChartChange::Resize(metric, size) => {
                if let Some(at) = now.find(metric) {
                    now.0[at].size = size;
                }
            }
            ChartChange::Use(None) => *now = ChartLayout::default(),
            ChartChange::Use(Some(name)) => {
                if let Some(layout) = self.saved.get(&name) {
                    *now = layout.clone();
                }
            }
            ChartChange::Save(name) => {
                let name: String = name.trim().chars().take(MAX_NAME).collect();
                if !name.is_empty() {
                    self.saved.insert(name, now.clone());
                }
            }
            ChartChange::Delete(name) => {
                self.saved.remove(&name);
            }
        }
    }

    /// The name of the layout that the charts are arranged as; the empty one is that of
    /// the program. None where they are like no layout.
    pub fn current(&self) -> Option<&str> {
        if self.now == ChartLayout::default() {
            return Some("");
        }
        let mut saved = self.saved.iter();
        let same = saved.find(|(_, layout)| **layout == self.now);
        same.map(|(name, _)| name.as_str())
    }
}

/// A row of charts: one, or two halves of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartRow {
    /// One that takes all of it.
    One(ChartPlace),
    /// One at the left, and one at the right if there is another.
    Halves(ChartPlace, Option<ChartPlace>),
}

/// The charts in rows: two halves that follow each other are one.
pub fn rows(places: &[ChartPlace]) -> Vec<ChartRow> {
    let mut rows = Vec::new();
    let mut places = places.iter().copied().peekable();
    while let Some(place) = places.next() {
        rows.push(match place.size {
            ChartSize::Row | ChartSize::Tall => ChartRow::One(place),
            ChartSize::Half => {
                let right = places.next_if(|next| next.size == ChartSize::Half);
                ChartRow::Halves(place, right)
            }
        });
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(layouts: &ChartLayouts) -> Vec<Metric> {
        layouts.now.metrics().collect()
    }

    #[test]
    fn charts_are_added_removed_moved_and_sized() {
        let mut layouts = ChartLayouts::default();
        assert_eq!(layouts.current(), Some(""));
        let n_all = metrics(&layouts).len();
        layouts.apply(ChartChange::Toggle(Metric::GradNorm));
        assert_eq!(metrics(&layouts).len(), n_all - 1);
        assert_eq!(layouts.now.others().collect::<Vec<_>>(), [Metric::GradNorm]);
        assert_eq!(layouts.current(), None);
        layouts.apply(ChartChange::Toggle(Metric::GradNorm));
        assert_eq!(layouts.now.find(Metric::GradNorm), Some(n_all - 1));
        layouts.apply(ChartChange::Move(Metric::GradNorm, 0));
        layouts.apply(ChartChange::Move(Metric::Loss, 2));
        assert_eq!(
            metrics(&layouts)[..3],
            [Metric::GradNorm, Metric::HeldOutAccuracy, Metric::Loss]
        );
        // Beyond the end it is the last one.
        layouts.apply(ChartChange::Move(Metric::Loss, 1000));
        assert_eq!(metrics(&layouts).last(), Some(&Metric::Loss));
        layouts.apply(ChartChange::Resize(Metric::GradNorm, ChartSize::Row));
        assert_eq!(layouts.now.places()[0].size, ChartSize::Row);
        layouts.apply(ChartChange::Use(None));
        assert_eq!(layouts, ChartLayouts::default());
    }

    #[test]
    fn layouts_are_saved_used_and_deleted_by_name() {
        let mut layouts = ChartLayouts::default();
        layouts.apply(ChartChange::Toggle(Metric::Loss));
        layouts.apply(ChartChange::Save("  without the loss ".into()));
        layouts.apply(ChartChange::Save("   ".into()));
        assert_eq!(layouts.saved.len(), 1, "a name has letters");
        layouts.apply(ChartChange::Use(None));
        assert!(layouts.now.find(Metric::Loss).is_some());
        layouts.apply(ChartChange::Use(Some("without the loss".into())));
        assert_eq!(layouts.now.find(Metric::Loss), None);
        assert_eq!(layouts.current(), Some("without the loss"));
        // What is used stays when it is deleted.
        layouts.apply(ChartChange::Delete("without the loss".into()));
        layouts.apply(ChartChange::Use(Some("without the loss".into())));
        assert!(layouts.saved.is_empty());
        assert_eq!(layouts.now.find(Metric::Loss), None);
    }

    #[test]
    fn layouts_are_kept_and_those_of_other_versions_lose_only_what_is_unknown() {
        let mut layouts = ChartLayouts::default();
        assert_eq!(ron::to_string(&layouts.now).unwrap(), "[\"default\"]");
        layouts.apply(ChartChange::Move(Metric::TokensPerSec, 0));
        layouts.apply(ChartChange::Save("speed".into()));
        let text = ron::to_string(&layouts).unwrap();
        assert_eq!(ron::from_str::<ChartLayouts>(&text).unwrap(), layouts);
        let newer = r#"["Loss Tall", "Loss Half", "Colour Half", "GradNorm Huge", "", "Half"]"#;
        let read: ChartLayout = ron::from_str(newer).unwrap();
        let place = |metric, size| ChartPlace { metric, size };
        assert_eq!(
            read.places(),
            [
                place(Metric::Loss, ChartSize::Tall),
                place(Metric::GradNorm, ChartSize::Half)
            ]
        );
        // No chart at all is a layout too.
        assert!(
            ron::from_str::<ChartLayout>("[]")
                .unwrap()
                .places()
                .is_empty()
        );
    }

    #[test]
    fn halves_that_follow_each_other_share_a_row() {
        let place = |metric, size| ChartPlace { metric, size };
        let half = |metric| place(metric, ChartSize::Half);
        let wide = place(Metric::Loss, ChartSize::Tall);
        let (a, b, c) = (
            half(Metric::GradNorm),
            half(Metric::StateNorm),
            half(Metric::LearningRate),
        );
        assert_eq!(
            rows(&[a, b, c, wide, a]),
            [
                ChartRow::Halves(a, Some(b)),
                ChartRow::Halves(c, None),
                ChartRow::One(wide),
                ChartRow::Halves(a, None),
            ]
        );
    }
}
