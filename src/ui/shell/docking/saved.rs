//! The saved layout: a text of its own, so that one that this version cannot read costs
//! only the layout and no other settings.

use egui_tiles::{Container, Linear, LinearDir, Tabs, Tile, TileId, Tiles};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Dock, TIDY};
use crate::ui::shared::tab::Tab;

/// A place has at least and at most this share of an even one, whatever a file says.
const SHARES: (f32, f32) = (0.05, 20.0);

/// A part of the centre as it is kept: a line of parts or a place of tabs. What
/// another version writes in addition is passed over.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SavedPart {
    /// Of the room that it has among the others of its line, 1 being an even one.
    share: f32,
    /// Whether its parts are below each other.
    is_column: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Self>,
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "known_views"
    )]
    views: Vec<Tab>,
    /// The name of that of the views which is in front.
    front: String,
}

/// The layout as it is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct SavedLayout {
    /// The name of the view that was chosen last.
    last: String,
    /// The names of those that were closed, so that a view which the version that
    /// wrote this did not have is told from one that the user closed.
    closed: Vec<String>,
    root: SavedPart,
}

/// The views of this version among the names.
fn known_views<'de, D: Deserializer<'de>>(names: D) -> Result<Vec<Tab>, D::Error> {
    let names = Vec::<String>::deserialize(names)?;
    Ok(names.iter().filter_map(|name| Tab::named(name)).collect())
}

impl Dock {
    /// What is below a tile. Where a place of tabs holds a split, its other tabs
    /// go to the part of the split that is not `dropped`.
    pub(super) fn part(&self, tile: Option<TileId>, dropped: &[Tab]) -> SavedPart {
        let of = tile.and_then(|tile| self.tree.tiles.get(tile));
        match of {
            Some(Tile::Pane(tab)) => SavedPart {
                share: 1.0,
                views: vec![*tab],
                front: tab.name().into(),
                ..SavedPart::default()
            },
            Some(Tile::Container(Container::Tabs(tabs))) => self.part_of_tabs(tabs, dropped),
            Some(Tile::Container(of)) => {
                let share = |child: TileId| match of {
                    Container::Linear(line) => line.shares[child],
                    Container::Tabs(_) | Container::Grid(_) => 1.0,
                };
                let is_column =
                    matches!(of, Container::Linear(line) if line.dir == LinearDir::Vertical);
                let parts = of.children().map(|child| SavedPart {
                    share: share(*child),
                    ..self.part(Some(*child), dropped)
                });
                SavedPart {
                    share: 1.0,
                    is_column,
                    parts: parts.collect(),
                    ..SavedPart::default()
                }
            }
            None => SavedPart::default(),
        }
    }

    fn part_of_tabs(&self, tabs: &Tabs, dropped: &[Tab]) -> SavedPart {
        let is_split = |child: &&TileId| self.tree.tiles.get_container(**child).is_some();
        let views = tabs
            .children
            .iter()
            .filter_map(|of| self.tree.tiles.get_pane(of));
        let views: Vec<Tab> = views.copied().collect();
        let Some(split) = tabs.children.iter().find(is_split) else {
            let front = tabs.active.and_then(|of| self.tree.tiles.get_pane(&of));
            return SavedPart {
                share: 1.0,
                front: front.or(views.first()).map_or("", |tab| tab.name()).into(),
                views,
                ..SavedPart::default()
            };
        };
        let mut part = self.part(Some(*split), dropped);
        let is_dropped = |part: &&mut SavedPart| part.views.iter().all(|tab| dropped.contains(tab));
        if let Some(stayed) = part.parts.iter_mut().find(|part| !is_dropped(part)) {
            stayed.views.extend(views);
        }
        part
    }

    /// The layout of a part; views that are neither in it nor closed are added.
    pub(super) fn from_part(part: &SavedPart, closed: &[String], last: Tab) -> Self {
        let mut tiles = Tiles::default();
        let mut left = Tab::ALL.to_vec();
        let Some(root) = insert(part, &mut tiles, &mut left) else {
            return Self::at(last);
        };
        let mut dock = Self::of(root, tiles, last);
        let is_closed = |tab: &Tab| closed.iter().any(|name| name == tab.name());
        for tab in left.into_iter().filter(|tab| !is_closed(tab)) {
            dock.add(tab);
        }
        dock.tree.simplify(&TIDY);
        dock
    }

    /// The names of the views that are in no place.
    pub(super) fn closed(&self) -> Vec<String> {
        let closed = Tab::ALL.into_iter().filter(|tab| !self.has(*tab));
        closed.map(|tab| tab.name().into()).collect()
    }

    /// As it is kept.
    pub(super) fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&SavedLayout {
            last: self.last.name().into(),
            closed: self.closed(),
            root: self.part(self.tree.root, &[]),
        })
    }

    /// From what was kept; as at first where it cannot be read.
    pub(super) fn from_text(text: &str) -> Self {
        let Ok(kept) = serde_json::from_str::<SavedLayout>(text) else {
            return Self::default();
        };
        let last = Tab::named(&kept.last).unwrap_or_default();
        Self::from_part(&kept.root, &kept.closed, last)
    }
}

/// Makes the tiles of a part of those views that are `left`; none without any.
fn insert(part: &SavedPart, tiles: &mut Tiles<Tab>, left: &mut Vec<Tab>) -> Option<TileId> {
    if part.parts.is_empty() {
        let mut views = part.views.clone();
        // Each view once.
        views.retain(|tab| {
            let at = left.iter().position(|of| of == tab);
            at.map(|at| left.remove(at)).is_some()
        });
        let front = views.iter().position(|tab| tab.name() == part.front);
        let panes: Vec<TileId> = views.iter().map(|tab| tiles.insert_pane(*tab)).collect();
        let mut tabs = Tabs::new(panes);
        tabs.set_active(*tabs.children.get(front.unwrap_or(0))?);
        return Some(tiles.insert_container(tabs));
    }
    let direction = if part.is_column {
        LinearDir::Vertical
    } else {
        LinearDir::Horizontal
    };
    let mut line = Linear::new(direction, Vec::new());
    for of in &part.parts {
        if let Some(tile) = insert(of, tiles, left) {
            line.children.push(tile);
            let is_share = of.share.is_finite() && of.share > 0.0;
            line.shares[tile] = if is_share {
                of.share.clamp(SHARES.0, SHARES.1)
            } else {
                1.0
            };
        }
    }
    (!line.children.is_empty()).then(|| tiles.insert_container(line))
}

impl Serialize for Dock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text().map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Dock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::from_text(&text))
    }
}
