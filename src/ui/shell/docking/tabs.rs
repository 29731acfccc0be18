//! Tabs and menus of the layout.

use eframe::egui::{
    Align2, Color32, FontId, Frame, Id, Margin, Painter, PointerButton, Rect, Response, Role,
    Sense, Stroke, StrokeKind, Style, Ui, UiBuilder, Visuals, WidgetInfo, WidgetText, pos2, vec2,
};
use egui_tiles::{
    Behavior, ResizeState, SimplificationOptions, TabState, Tile, TileId, Tiles, UiResponse,
};

use super::{Dock, TIDY};
use crate::ui::shared::action::Action;
use crate::ui::shared::tab::{Side, Tab};
use crate::ui::shell::pictures::PictureOf;
use crate::ui::shell::theme::{MARGIN, blend, palette};
use crate::ui::widgets::controls::named;

/// Height of a row of tabs.
const ROW_HEIGHT: f32 = 30.0;
/// Space at either side of a tab's name.
const SPACE: f32 = 12.0;
/// Side of the cross that closes a view.
const CROSS: f32 = 16.0;

/// Draws the views where they stand, each by `draw`. A view that is behind another
/// is not drawn.
pub(crate) fn docked_ui(
    ui: &mut Ui,
    dock: &mut Dock,
    draw: impl FnMut(&mut Ui, Tab),
) -> Vec<Action> {
    let area = ui.available_rect_before_wrap();
    let ctx = ui.ctx().clone();
    let (pointer, is_released) = ctx.input(|input| {
        let pointer = &input.pointer;
        (pointer.interact_pos(), pointer.any_released())
    });
    let is_over = pointer.is_some_and(|at| area.contains(at));
    // What is let go of elsewhere stays where it was.
    let before = (is_released && !is_over && dock.is_dragged(&ctx)).then(|| dock.clone());
    let mut docked = Docked {
        draw,
        is_split: dock.is_split(),
        can_close: dock.can_close(),
        is_over,
        looked_at: None,
        actions: Vec::new(),
    };
    dock.ui(&mut docked, ui);
    let Docked {
        looked_at, actions, ..
    } = docked;
    if let Some(before) = before {
        *dock = before;
    }
    if let Some(tab) = looked_at {
        dock.look_at(tab);
    }
    actions
}

/// What can be done with a view besides dragging it, as a menu.
pub(crate) fn view_menu_ui(ui: &mut Ui, tab: Tab, dock: &Dock) -> Option<Action> {
    let can_close = dock.can_close() && dock.has(tab);
    menu_ui(ui, tab, [can_close, dock.is_split(), dock.shows(tab)])
}

fn menu_ui(ui: &mut Ui, tab: Tab, is_so: [bool; 3]) -> Option<Action> {
    let [can_close, is_split, is_shown] = is_so;
    let mut asked = None;
    let mut entry = |ui: &mut Ui, text: &str, action: Action| {
        if ui.button(text).clicked() {
            asked = Some(action);
            ui.close();
        }
    };
    for side in Side::ALL {
        entry(ui, &tr!("Show {}", side.words()), Action::Put(tab, side));
    }
    if is_split {
        if can_close {
            entry(ui, tr!("Close the view"), Action::CloseView(tab));
        }
        entry(ui, tr!("Show only one view"), Action::JoinViews);
    }
    ui.separator();
    let picture = Action::SavePicture(PictureOf::View(tab));
    if is_shown {
        entry(ui, tr!("Save a picture of the view…"), picture);
    }
    entry(ui, tr!("Reset the layout"), Action::ResetLayout);
    asked
}

/// The tree as it is drawn in one frame.
struct Docked<F> {
    draw: F,
    is_split: bool,
    can_close: bool,
    /// Whether the pointer is over the centre.
    is_over: bool,
    /// The view that the user chose or pressed in.
    looked_at: Option<Tab>,
    actions: Vec<Action>,
}

impl<F: FnMut(&mut Ui, Tab)> Docked<F> {
    fn paint_tab(&self, ui: &Ui, tab: Tab, rect: Rect, state: &TabState, response: &Response) {
        let colours = palette(ui.visuals());
        let painter = ui.painter();
        let colour = match (state.active, response.hovered()) {
            (true, _) => colours.strong,
            (false, true) => colours.text,
            (false, false) => colours.weak,
        };
        let at = pos2(rect.left() + SPACE, rect.center().y);
        let font = FontId::proportional(13.0);
        painter.text(at, Align2::LEFT_CENTER, tab.name(), font, colour);
        if state.active {
            let line = Stroke::new(2.0, colours.accent);
            let inner = rect.shrink2(vec2(SPACE, 0.0));
            painter.hline(inner.x_range(), rect.bottom() - 1.0, line);
        }
        if response.has_focus() {
            let stroke = ui.visuals().selection.stroke;
            painter.rect_stroke(rect.shrink(3.0), 4.0, stroke, StrokeKind::Inside);
        }
    }

    /// Draws the cross at the right of a tab; whether it was pressed.
    fn cross_ui(&self, ui: &Ui, tab: Tab, rect: Rect, id: Id) -> bool {
        let at = pos2(rect.right() - CROSS / 2.0 - 2.0, rect.center().y);
        let rect = Rect::from_center_size(at, vec2(CROSS, CROSS));
        let cross = ui.interact(rect, id.with("close"), Sense::click());
        named(&cross, Role::Button, &tr!("Close {}", tab.name()));
        let colours = palette(ui.visuals());
        let is_meant = cross.hovered() || cross.has_focus();
        let colour = if is_meant {
            colours.strong
        } else {
            colours.weak
        };
        if is_meant {
            ui.painter().rect_filled(rect, 4.0, colours.raised);
        }
        let font = FontId::proportional(14.0);
        ui.painter()
            .text(at, Align2::CENTER_CENTER, "×", font, colour);
        cross
            .on_hover_text(tr!("Close this view. Its name at the top opens it again"))
            .clicked()
    }
}

impl<F: FnMut(&mut Ui, Tab)> Behavior<Tab> for Docked<F> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile_id: TileId, tab: &mut Tab) -> UiResponse {
        let rect = ui.max_rect();
        let is_pressed = ui.input(|input| input.pointer.any_pressed());
        if is_pressed && ui.rect_contains_pointer(rect) {
            self.looked_at = Some(*tab);
        }
        let mut inner = rect;
        if self.is_split {
            let line = Stroke::new(1.0, palette(ui.visuals()).border);
            ui.painter().hline(rect.x_range(), rect.top() + 0.5, line);
            inner = rect - Margin::same(MARGIN);
        } else {
            // The centre has its margin around it, which focus frames reach into.
            ui.set_clip_rect(rect.expand(f32::from(MARGIN)));
        }
        // Where a view stands changes nothing of how it was left: its scrolling, its
        // menus.
        let id = Id::unique(("view", tab.name()));
        let builder = UiBuilder::new().scope_id(id).max_rect(inner);
        ui.scope_builder(builder, |ui| (self.draw)(ui, *tab));
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, tab: &Tab) -> WidgetText {
        tab.name().into()
    }

    fn tab_ui(
        &mut self,
        tiles: &mut Tiles<Tab>,
        ui: &mut Ui,
        id: Id,
        tile_id: TileId,
        state: &TabState,
    ) -> Response {
        let Some(Tile::Pane(tab)) = tiles.get(tile_id) else {
            // Tidying leaves no split within tabs.
            return ui.interact(Rect::NOTHING, id, Sense::hover());
        };
        let tab = *tab;
        let font = FontId::proportional(13.0);
        let name = ui
            .painter()
            .layout_no_wrap(tab.name().into(), font, Color32::WHITE);
        let width = name.size().x + 2.0 * SPACE + if state.active { CROSS - 6.0 } else { 0.0 };
        let (_, rect) = ui.allocate_space(vec2(width, ui.available_height()));
        let response = ui.interact(rect, id, Sense::click_and_drag());
        let title = tr!("{}, tab", tab.name());
        response
            .widget_info(|| WidgetInfo::selected(Role::Button, true, state.active, title.as_str()));
        if !state.is_being_dragged {
            self.paint_tab(ui, tab, rect, state, &response);
        }
        if response.clicked() {
            self.looked_at = Some(tab);
        }
        let is_closed = state.active && self.can_close && self.cross_ui(ui, tab, rect, id);
        if is_closed || (self.can_close && response.clicked_by(PointerButton::Middle)) {
            self.actions.push(Action::CloseView(tab));
        }
        response.context_menu(|ui| {
            self.actions.extend(menu_ui(
                ui,
                tab,
                [self.can_close, self.is_split, state.active],
            ));
        });
        let hint = tr!(
            "{}. Drag it to move the view, or right-click for a menu",
            tab.purpose()
        );
        response.on_hover_text(hint)
    }

    fn drag_ui(&mut self, tiles: &Tiles<Tab>, ui: &mut Ui, tile_id: TileId) {
        let colours = palette(ui.visuals());
        let names = match tiles.get(tile_id) {
            Some(Tile::Pane(tab)) => tab.name().to_owned(),
            Some(Tile::Container(of)) => {
                let tabs = of.children().filter_map(|of| tiles.get_pane(of));
                let names: Vec<&str> = tabs.map(|tab| tab.name()).collect();
                names.join(", ")
            }
            None => String::new(),
        };
        let frame = Frame::popup(ui.style()).fill(colours.panel.gamma_multiply(0.85));
        frame.show(ui, |ui| ui.label(names));
    }

    fn is_tab_bar_visible(&self, _tile_id: TileId, _tabs: &egui_tiles::Tabs) -> bool {
        // The names at the top of the window are the tabs of one place.
        self.is_split
    }

    fn tab_bar_height(&self, _style: &Style) -> f32 {
        ROW_HEIGHT
    }

    fn tab_bar_color(&self, visuals: &Visuals) -> Color32 {
        palette(visuals).surface
    }

    fn gap_width(&self, _style: &Style) -> f32 {
        1.0
    }

    fn min_size(&self) -> f32 {
        160.0
    }

    fn resize_stroke(&self, style: &Style, resize_state: ResizeState) -> Stroke {
        let colours = palette(&style.visuals);
        match resize_state {
            ResizeState::Idle => Stroke::new(1.0, colours.border),
            ResizeState::Hovering => Stroke::new(2.0, blend(colours.accent, colours.border, 0.6)),
            ResizeState::Dragging => Stroke::new(2.0, colours.accent),
        }
    }

    fn dragged_overlay_color(&self, visuals: &Visuals) -> Color32 {
        palette(visuals).surface.gamma_multiply(0.5)
    }

    fn paint_drag_preview(
        &self,
        visuals: &Visuals,
        painter: &Painter,
        _parent_rect: Option<Rect>,
        preview_rect: Rect,
    ) {
        if self.is_over {
            let accent = palette(visuals).accent;
            let (fill, stroke) = (accent.gamma_multiply(0.15), Stroke::new(1.0, accent));
            painter.rect(preview_rect, 4.0, fill, stroke, StrokeKind::Inside);
        }
    }

    fn simplification_options(&self) -> SimplificationOptions {
        TIDY
    }

    fn cycle_tabs_with_keyboard(&self) -> bool {
        // Of which place would depend on where the pointer rests.
        false
    }
}
