//! What the window drew as a picture that scales: the shapes of a frame as SVG. What the
//! GPU alone knows, the heatmaps, is cut out of its pixels and put in at its place.

mod attributes;
mod pixels;

use std::fmt::Write as _;

use eframe::egui::epaint::text::{Galley, Row};
use eframe::egui::epaint::{
    CircleShape, ClippedShape, ColorMode, CubicBezierShape, EllipseShape, Mesh, PathShape,
    QuadraticBezierShape, RectShape, TextShape, WHITE_UV,
};
use eframe::egui::{
    Color32, ColorImage, FontFamily, Pos2, Rect, Shape, Stroke, StrokeKind, TextureId,
};

use self::attributes::{FAINTEST, escaped, filled, place, plain_rect, stroked};
use self::pixels::{base64, cut};
use crate::error::Result;
use crate::persist::heatmap_png::rgb_png;

/// A picture, some parts of which wait for the pixels of the window.
#[derive(Debug, Clone, Default)]
pub(crate) struct VectorPicture {
    area: Option<Rect>,
    clips: Vec<Rect>,
    /// From the back to the front.
    parts: Vec<SvgPart>,
}

#[derive(Debug, Clone)]
enum SvgPart {
    Text(String),
    /// What the GPU drew there.
    Pixels(Rect),
}

impl VectorPicture {
    /// What of the shapes lies in `area`, on a ground of one colour.
    pub fn of<'a>(
        shapes: impl Iterator<Item = &'a ClippedShape>,
        area: Rect,
        ground: Color32,
    ) -> Self {
        let mut picture = Self {
            area: Some(area),
            ..Self::default()
        };
        picture.rect(&RectShape::filled(area, 0.0, ground));
        for ClippedShape {
            clip_rect, shape, ..
        } in shapes
        {
            let clip = clip_rect.intersect(area);
            let bounds = shape.visual_bounding_rect();
            if !clip.is_positive() || !bounds.intersects(clip) {
                continue;
            }
            let is_cut = !clip.contains_rect(bounds);
            if is_cut {
                let idx = picture.clip(clip);
                picture.write(&format!("<g clip-path=\"url(#c{idx})\">\n"));
            }
            picture.shape(shape, clip);
            if is_cut {
                picture.write("</g>\n");
            }
        }
        picture
    }

    /// The picture as text; `image` is what the GPU painted, with so many pixels a
    /// point.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] if pixels cannot be packed.
    pub fn svg(&self, image: &ColorImage, pixels_per_point: f32) -> Result<String> {
        let area = self.area.unwrap_or(Rect::ZERO);
        let (width, height) = (area.width(), area.height());
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"{:.2} {:.2} {width:.2} {height:.2}\">\n",
            area.left(),
            area.top()
        );
        for (idx, clip) in self.clips.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = writeln!(
                svg,
                "<clipPath id=\"c{idx}\">{}</clipPath>",
                plain_rect(*clip, "")
            );
        }
        for part in &self.parts {
            match part {
                SvgPart::Text(text) => svg.push_str(text),
                SvgPart::Pixels(rect) => {
                    if let Some((size, pixels)) = cut(image, *rect * pixels_per_point) {
                        let png = base64(&rgb_png(size[0], &pixels)?);
                        let _ = writeln!(
                            svg,
                            "<image {} preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{png}\"/>",
                            place(*rect)
                        );
                    }
                }
            }
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }

    fn clip(&mut self, clip: Rect) -> usize {
        match self.clips.iter().position(|known| *known == clip) {
            Some(idx) => idx,
            None => {
                self.clips.push(clip);
                self.clips.len() - 1
            }
        }
    }

    fn write(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(SvgPart::Text(last)) => last.push_str(text),
            _ => self.parts.push(SvgPart::Text(text.to_owned())),
        }
    }

    fn shape(&mut self, shape: &Shape, clip: Rect) {
        match shape {
            Shape::Noop => {}
            Shape::Vec(shapes) => shapes.iter().for_each(|shape| self.shape(shape, clip)),
            Shape::Circle(CircleShape {
                center,
                radius,
                fill,
                stroke,
            }) => self.write(&format!(
                "<circle cx=\"{:.2}\" cy=\"{:.2}\" r=\"{radius:.2}\"{}{}/>\n",
                center.x,
                center.y,
                filled(*fill),
                stroked(*stroke)
            )),
            Shape::Ellipse(EllipseShape {
                center,
                radius,
                fill,
                stroke,
                ..
            }) => self.write(&format!(
                "<ellipse cx=\"{:.2}\" cy=\"{:.2}\" rx=\"{:.2}\" ry=\"{:.2}\"{}{}/>\n",
                center.x,
                center.y,
                radius.x,
                radius.y,
                filled(*fill),
                stroked(*stroke)
            )),
            Shape::LineSegment { points, stroke } => {
                self.path(points, false, Color32::TRANSPARENT, *stroke);
            }
            Shape::Path(PathShape {
                points,
                closed,
                fill,
                stroke,
            }) => {
                let colour = match &stroke.color {
                    ColorMode::Solid(colour) => *colour,
                    ColorMode::UV(of) => points.first().map_or(Color32::TRANSPARENT, |at| {
                        of(Rect::from_points(points), *at)
                    }),
                };
                self.path(points, *closed, *fill, Stroke::new(stroke.width, colour));
            }
            Shape::Rect(rect) => self.rect(rect),
            Shape::Text(text) => self.text(text),
            Shape::Mesh(mesh) => self.mesh(mesh),
            Shape::QuadraticBezier(QuadraticBezierShape { points, .. }) => {
                self.path(points, false, Color32::TRANSPARENT, Stroke::NONE);
            }
            Shape::CubicBezier(CubicBezierShape { points, .. }) => {
                self.path(points, false, Color32::TRANSPARENT, Stroke::NONE);
            }
            // No part of the window draws one.
            Shape::Band(_) => {}
            Shape::Callback(callback) => {
                let rect = callback.rect.intersect(clip);
                if rect.is_positive() {
                    self.parts.push(SvgPart::Pixels(rect));
                }
            }
        }
    }

    fn path(&mut self, points: &[Pos2], is_closed: bool, fill: Color32, stroke: Stroke) {
        if points.iter().any(|point| !point.is_finite()) {
            return;
        }
        let mut path = String::new();
        for (idx, point) in points.iter().enumerate() {
            let pen = if idx == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{pen}{:.2} {:.2}", point.x, point.y);
        }
        if is_closed {
            path.push('Z');
        }
        let (fill, stroke) = (filled(fill), stroked(stroke));
        self.write(&format!("<path d=\"{path}\"{fill}{stroke}/>\n"));
    }

    fn rect(&mut self, shape: &RectShape) {
        let RectShape {
            rect,
            corner_radius,
            fill,
            stroke,
            stroke_kind,
            ..
        } = shape;
        let by = match stroke_kind {
            StrokeKind::Inside => -0.5,
            StrokeKind::Middle => 0.0,
            StrokeKind::Outside => 0.5,
        };
        // A stroke of SVG lies on the edge.
        let rect = rect.expand(by * stroke.width);
        let radius = corner_radius.average();
        let round = match radius > 0.0 {
            true => format!(" rx=\"{radius:.1}\""),
            false => String::new(),
        };
        let look = format!("{round}{}{}", filled(*fill), stroked(*stroke));
        if fill.a() >= FAINTEST || (stroke.width > 0.0 && stroke.color.a() >= FAINTEST) {
            self.write(&(plain_rect(rect, &look) + "\n"));
        }
    }

    /// Triangles of one colour; those of a texture are pictures of letters.
    fn mesh(&mut self, mesh: &Mesh) {
        if mesh.texture_id != TextureId::default() {
            return;
        }
        let mut text = String::new();
        for corner in mesh.indices.chunks_exact(3) {
            let vertices = [corner[0], corner[1], corner[2]].map(|idx| mesh.vertices[idx as usize]);
            if vertices
                .iter()
                .any(|of| of.uv != WHITE_UV || !of.pos.is_finite())
            {
                continue;
            }
            let mean = |part: fn(&Color32) -> u8| {
                let sum: u32 = vertices.iter().map(|of| u32::from(part(&of.color))).sum();
                (sum / 3) as u8
            };
            let colour = Color32::from_rgba_premultiplied(
                mean(Color32::r),
                mean(Color32::g),
                mean(Color32::b),
                mean(Color32::a),
            );
            if colour.a() < FAINTEST {
                continue;
            }
            let points = vertices.map(|of| format!("{:.2},{:.2}", of.pos.x, of.pos.y));
            let _ = writeln!(
                text,
                "<polygon points=\"{}\"{}/>",
                points.join(" "),
                filled(colour)
            );
        }
        self.write(&text);
    }

    fn text(&mut self, shape: &TextShape) {
        let TextShape {
            pos,
            galley,
            fallback_color,
            override_text_color,
            opacity_factor,
            angle,
            ..
        } = shape;
        let mut svg = String::new();
        let mut at = 0;
        for placed in &galley.rows {
            for (piece, section) in pieces(galley, &placed.row, &mut at) {
                let format = &galley.job.sections[section].format;
                let colour = match (override_text_color, format.color) {
                    (Some(colour), _) => *colour,
                    (None, Color32::PLACEHOLDER) => *fallback_color,
                    (None, colour) => colour,
                };
                let colour = colour.gamma_multiply(*opacity_factor);
                let (Some(first), Some(last)) = (piece.first(), piece.last()) else {
                    continue;
                };
                let letters: String = piece.iter().map(|glyph| glyph.chr).collect();
                if letters.trim().is_empty() {
                    continue;
                }
                let start = pos.to_vec2() + placed.pos.to_vec2();
                let (x, y) = (start.x + first.pos.x, start.y + first.pos.y);
                let width = last.pos.x + last.advance_width - first.pos.x;
                let family = match format.font_id.family {
                    FontFamily::Monospace => "monospace",
                    FontFamily::Proportional | FontFamily::Name(_) => "sans-serif",
                };
                let turned = match *angle == 0.0 {
                    true => String::new(),
                    false => {
                        let degrees = angle.to_degrees();
                        format!(
                            " transform=\"rotate({degrees:.1} {:.2} {:.2})\"",
                            pos.x, pos.y
                        )
                    }
                };
                let _ = writeln!(
                    svg,
                    "<text x=\"{x:.2}\" y=\"{y:.2}\" font-family=\"{family}\" font-size=\"{:.1}\" textLength=\"{width:.2}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\"{}{turned}>{}</text>",
                    format.font_id.size,
                    filled(colour),
                    escaped(&letters)
                );
            }
            at += usize::from(placed.ends_with_newline);
        }
        self.write(&svg);
    }
}

type Glyph = eframe::egui::epaint::text::Glyph;

/// The glyphs of a row in pieces of one format, with the number of that. `at` counts the
/// bytes of the text that are done.
fn pieces<'a>(galley: &Galley, row: &'a Row, at: &mut usize) -> Vec<(Vec<&'a Glyph>, usize)> {
    let mut pieces: Vec<(Vec<&Glyph>, usize)> = Vec::new();
    let sections = &galley.job.sections;
    for glyph in &row.glyphs {
        let holds = |section: &eframe::egui::text::LayoutSection| {
            let range = &section.byte_range;
            range.start.0 <= *at && *at < range.end.0
        };
        // What is put in for a text that is cut looks as its end does.
        let section = sections.iter().position(holds);
        let section = section.unwrap_or(sections.len().saturating_sub(1));
        *at += glyph.chr.len_utf8();
        match pieces.last_mut() {
            Some((piece, of)) if *of == section => piece.push(glyph),
            _ if section < sections.len() => pieces.push((vec![glyph], section)),
            _ => {}
        }
    }
    pieces
}

#[cfg(test)]
mod tests;
