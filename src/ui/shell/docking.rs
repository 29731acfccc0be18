//! The layout of the centre: tabs in panes, and panes next to or below each other.

use eframe::egui::{Context, Id, Rect, Ui};
use egui_tiles::{
    Behavior, Container, Linear, LinearDir, SimplificationOptions, Tile, TileId, Tiles, Tree,
};

use crate::ui::shared::tab::{Side, Tab};

mod saved;
pub(crate) mod tabs;
#[cfg(test)]
mod tests;

/// What is tidied up after views were moved.
const TIDY: SimplificationOptions = SimplificationOptions {
    prune_empty_tabs: true,
    prune_empty_containers: true,
    prune_single_child_tabs: true,
    prune_single_child_containers: true,
    all_panes_must_have_tabs: true,
    join_nested_linear_containers: true,
    flatten_tabs_in_tabs: true,
};

/// The direction in which places stand beside each other.
fn direction(side: Side) -> LinearDir {
    match side {
        Side::Right => LinearDir::Horizontal,
        Side::Below => LinearDir::Vertical,
    }
}

/// Where the views of the centre stand. A view is in one place or, after it was
/// closed, in none; at least one is always there.
#[derive(Debug, Clone, PartialEq)]
pub struct Dock {
    tree: Tree<Tab>,
    /// The view that was chosen last.
    last: Tab,
}

impl Default for Dock {
    fn default() -> Self {
        Self::at(Tab::default())
    }
}

impl Dock {
    /// Every view in one place, this one in front.
    pub fn at(front: Tab) -> Self {
        let mut tiles = Tiles::default();
        let views = Tab::ALL.map(|tab| tiles.insert_pane(tab)).to_vec();
        let root = tiles.insert_tab_tile(views);
        let mut dock = Self::of(root, tiles, front);
        dock.open(front);
        dock
    }

    fn of(root: TileId, tiles: Tiles<Tab>, last: Tab) -> Self {
        let tree = Tree::new(Id::unique("views of the centre"), root, tiles);
        Self { tree, last }
    }

    /// Whether a view is on the screen.
    pub fn shows(&self, tab: Tab) -> bool {
        let tile = self.tile(tab);
        tile.is_some_and(|tile| self.tree.active_tiles().contains(&tile))
    }

    /// Whether a view is in some place, in front or behind another.
    pub fn has(&self, tab: Tab) -> bool {
        self.tile(tab).is_some()
    }

    /// The view that the user looks at: that of those on the screen which was chosen
    /// last.
    pub fn front(&self) -> Tab {
        let mut shown = Tab::ALL.into_iter().filter(|tab| self.shows(*tab));
        if self.shows(self.last) {
            return self.last;
        }
        shown.next().unwrap_or(self.last)
    }

    /// Whether there is more than one place.
    pub fn is_split(&self) -> bool {
        self.places().nth(1).is_some()
    }

    /// Whether a view can be taken away, which the only one cannot.
    pub fn can_close(&self) -> bool {
        self.n_views() > 1
    }

    /// Where a view was drawn in the last frame.
    pub fn rect(&self, tab: Tab) -> Option<Rect> {
        self.tree.tiles.rect(self.tile(tab)?)
    }

    /// Brings a view to the front of its place; one that was closed comes back.
    pub fn open(&mut self, tab: Tab) {
        self.last = tab;
        self.add(tab);
        let tile = self.tile(tab);
        self.tree.make_active(|id, _| Some(id) == tile);
    }

    /// Says which view the user looks at.
    fn look_at(&mut self, tab: Tab) {
        self.last = tab;
    }

    /// Takes a view away, unless it is the only one.
    pub fn close(&mut self, tab: Tab) {
        if let Some(tile) = self.tile(tab)
            && self.can_close()
        {
            self.tree.remove_recursively(tile);
            self.tree.simplify(&TIDY);
        }
    }

    /// Puts a view at a side of all others, as one more tab where views stand at
    /// that side already.
    pub fn put(&mut self, tab: Tab, side: Side) {
        self.add(tab);
        self.move_to(tab, side);
        self.open(tab);
    }

    /// Leaves what is in front of the place that the view leaves.
    fn move_to(&mut self, tab: Tab, side: Side) {
        let (Some(tile), Some(root)) = (self.tile(tab), self.tree.root) else {
            return;
        };
        if !self.can_close() {
            return;
        }
        let place = self.tree.tiles.parent_of(tile);
        let is_alone = place.is_some_and(|place| self.views_of(place).len() == 1);
        match self.edge(root, side) {
            Some(edge) if Some(edge) == place => return,
            Some(edge) if !is_alone => {
                let index = usize::MAX;
                self.tree.move_tile_to_container(tile, edge, index, false);
            }
            Some(_) | None => {
                self.tree.remove_recursively(tile);
                let pane = self.tree.tiles.insert_pane(tab);
                let place = self.tree.tiles.insert_tab_tile(vec![pane]);
                self.add_at(root, place, side);
            }
        }
        self.tree.simplify(&TIDY);
    }

    /// Every view in one place again.
    pub fn join(&mut self) {
        *self = Self::at(self.front());
    }

    /// Has the pointer drag a view, as if it were held by its tab.
    pub(crate) fn drag(&mut self, tab: Tab, ctx: &Context) {
        self.add(tab);
        if let Some(tile) = self.tile(tab) {
            ctx.set_dragged_id(tile.egui_id(self.tree.id()));
        }
    }

    /// Whether a view or a place of views is being dragged.
    fn is_dragged(&self, ctx: &Context) -> bool {
        self.tree.dragged_id(ctx).is_some()
    }

    /// Draws the tree and does what the user does to it.
    fn ui(&mut self, behavior: &mut dyn Behavior<Tab>, ui: &mut Ui) {
        let dragged = self.tree.dragged_id(ui.ctx());
        let dragged = dragged.map(|tile| self.views_of(tile)).unwrap_or_default();
        self.tree.ui(behavior, ui);
        let is_within_tabs = |place: TileId| match self.tree.tiles.get_container(place) {
            Some(Container::Tabs(tabs)) => {
                let mut of = tabs.children.iter();
                of.any(|tile| self.tree.tiles.get_container(*tile).is_some())
            }
            Some(Container::Linear(_) | Container::Grid(_)) | None => false,
        };
        if self.places().any(is_within_tabs) {
            // A view that was dropped on a half of another one splits their place,
            // and not the inside of one tab.
            let part = self.part(self.tree.root, &dragged);
            *self = Self::from_part(&part, &self.closed(), self.last);
        }
    }

    fn tile(&self, tab: Tab) -> Option<TileId> {
        let mut tiles = self.tree.tiles.iter();
        tiles.find_map(|(id, tile)| matches!(tile, Tile::Pane(of) if *of == tab).then_some(*id))
    }

    fn n_views(&self) -> usize {
        self.tree
            .tiles
            .tiles()
            .filter(|tile| tile.is_pane())
            .count()
    }

    /// The containers that hold tabs.
    fn places(&self) -> impl Iterator<Item = TileId> {
        let tiles = self.tree.tiles.iter();
        tiles.filter_map(|(id, tile)| {
            matches!(tile, Tile::Container(Container::Tabs(_))).then_some(*id)
        })
    }

    /// The views in a tile.
    fn views_of(&self, tile: TileId) -> Vec<Tab> {
        match self.tree.tiles.get(tile) {
            Some(Tile::Pane(tab)) => vec![*tab],
            Some(Tile::Container(of)) => of.children().flat_map(|of| self.views_of(*of)).collect(),
            None => Vec::new(),
        }
    }

    /// Puts a view that is in no place where most of the others are.
    fn add(&mut self, tab: Tab) {
        if self.has(tab) {
            return;
        }
        let pane = self.tree.tiles.insert_pane(tab);
        let n_views = |place: &TileId| (self.views_of(*place).len(), std::cmp::Reverse(place.0));
        match self.places().max_by_key(n_views) {
            Some(place) => {
                if let Some(Tile::Container(of)) = self.tree.tiles.get_mut(place) {
                    of.add_child(pane);
                }
            }
            None => self.tree.root = Some(self.tree.tiles.insert_tab_tile(vec![pane])),
        }
    }

    /// The last place of a split in the direction of a side.
    fn edge(&self, root: TileId, side: Side) -> Option<TileId> {
        let Some(Container::Linear(line)) = self.tree.tiles.get_container(root) else {
            return None;
        };
        let mut last = *line
            .children
            .last()
            .filter(|_| line.dir == direction(side))?;
        while let Some(Container::Linear(inner)) = self.tree.tiles.get_container(last) {
            last = *inner.children.last()?;
        }
        Some(last)
    }

    /// Puts a place at the side of all that is below `root`.
    fn add_at(&mut self, root: TileId, place: TileId, side: Side) {
        if let Some(Tile::Container(Container::Linear(line))) = self.tree.tiles.get_mut(root)
            && line.dir == direction(side)
        {
            line.children.push(place);
            return;
        }
        let line = Linear::new(direction(side), vec![root, place]);
        self.tree.root = Some(self.tree.tiles.insert_container(line));
    }
}
