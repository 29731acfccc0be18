//! Lines as triangles with soft edges, made once for what they show and drawn
//! again until it changes.

use eframe::egui::epaint::{Vertex, WHITE_UV};
use eframe::egui::{Color32, Mesh, Pos2, Vec2, vec2};

/// Normals that turn further than this begin anew instead of being averaged:
/// the square of half the length of their sum.
const SHARPEST: f32 = 0.3;
/// Length of a dash and of the gap after it.
const DASH: f32 = 5.0;
/// Corners of a dot.
const N_CORNERS: u32 = 10;

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pen {
    /// Its colour.
    pub colour: Color32,
    /// Its width, in points.
    pub width: f32,
    /// Width of the soft edge: one pixel.
    pub soft: f32,
}

/// Adds a line through the points; one that is not finite is a gap.
pub fn add_line(mesh: &mut Mesh, points: impl IntoIterator<Item = Pos2>, pen: Pen) {
    let mut run: Vec<Pos2> = Vec::new();
    for point in points {
        if !point.is_finite() {
            add_run(mesh, &run, pen);
            run.clear();
        } else if run.last().is_none_or(|last| last.distance_sq(point) > 1e-4) {
            run.push(point);
        }
    }
    add_run(mesh, &run, pen);
}

/// The same with dashes.
pub fn add_dashed(mesh: &mut Mesh, points: &[Pos2], pen: Pen) {
    let mut dash: Vec<Pos2> = Vec::new();
    let (mut left, mut is_dash) = (DASH, true);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        if !from.is_finite() || !to.is_finite() {
            add_run(mesh, &dash, pen);
            dash.clear();
            continue;
        }
        if is_dash && dash.is_empty() {
            dash.push(from);
        }
        let mut length = from.distance(to);
        while length > left {
            from += (to - from) * (left / length);
            length -= left;
            left = DASH;
            if is_dash {
                dash.push(from);
                add_run(mesh, &dash, pen);
                dash.clear();
            } else {
                dash.push(from);
            }
            is_dash = !is_dash;
        }
        left -= length;
        if is_dash {
            dash.push(to);
        }
    }
    add_run(mesh, &dash, pen);
}

/// Adds what lies between two lines that have a point below each other each; one that
/// is not finite is a gap.
pub fn add_band(mesh: &mut Mesh, ends: &[(Pos2, Pos2)], colour: Color32) {
    let mut joins = false;
    for (low, high) in ends {
        if !low.is_finite() || !high.is_finite() {
            joins = false;
            continue;
        }
        let first = mesh.vertices.len() as u32;
        vertex(mesh, *low, colour);
        vertex(mesh, *high, colour);
        if joins {
            let [a, b, c, d] = [first - 2, first - 1, first, first + 1];
            mesh.indices.extend([a, b, c, c, b, d]);
        }
        joins = true;
    }
}

/// Adds a filled dot.
pub fn add_dot(mesh: &mut Mesh, centre: Pos2, radius: f32, pen: Pen) {
    let first = mesh.vertices.len() as u32;
    vertex(mesh, centre, pen.colour);
    for corner in 0..N_CORNERS {
        let angle = corner as f32 / N_CORNERS as f32 * std::f32::consts::TAU;
        let direction = Vec2::angled(angle);
        vertex(
            mesh,
            centre + direction * (radius - pen.soft / 2.0),
            pen.colour,
        );
        vertex(
            mesh,
            centre + direction * (radius + pen.soft / 2.0),
            Color32::TRANSPARENT,
        );
    }
    for corner in 0..N_CORNERS {
        let inner = |corner: u32| first + 1 + 2 * (corner % N_CORNERS);
        let (a, b) = (inner(corner), inner(corner + 1));
        mesh.indices
            .extend([first, a, b, a, a + 1, b, b, a + 1, b + 1]);
    }
}

/// A line without gaps.
fn add_run(mesh: &mut Mesh, points: &[Pos2], pen: Pen) {
    if points.len() < 2 {
        return;
    }
    let normal = |idx: usize| {
        let direction = (points[idx + 1] - points[idx]).normalized();
        vec2(-direction.y, direction.x)
    };
    let mut before = normal(0);
    add_rib(mesh, points[0], before, pen, false);
    let inner = &points[1..points.len() - 1];
    for (idx, at) in inner.iter().enumerate() {
        let after = normal(idx + 1);
        let half = (before + after) / 2.0;
        let length_sq = half.length_sq();
        if length_sq < SHARPEST {
            add_rib(mesh, *at, before, pen, true);
            add_rib(mesh, *at, after, pen, false);
        } else {
            add_rib(mesh, *at, half / length_sq, pen, true);
        }
        before = after;
    }
    add_rib(mesh, points[points.len() - 1], before, pen, true);
}

/// The points of a line's cross-section, joined to the ones before.
fn add_rib(mesh: &mut Mesh, at: Pos2, normal: Vec2, pen: Pen, joins: bool) {
    let Pen {
        colour,
        width,
        soft,
    } = pen;
    let first = mesh.vertices.len() as u32;
    let n_across = if width > soft {
        let (outer, inner) = ((width + soft) / 2.0, (width - soft) / 2.0);
        vertex(mesh, at + normal * outer, Color32::TRANSPARENT);
        vertex(mesh, at + normal * inner, colour);
        vertex(mesh, at - normal * inner, colour);
        vertex(mesh, at - normal * outer, Color32::TRANSPARENT);
        4
    } else {
        // Thinner than a pixel is fainter instead.
        vertex(mesh, at + normal * soft, Color32::TRANSPARENT);
        vertex(mesh, at, colour.gamma_multiply(width / soft));
        vertex(mesh, at - normal * soft, Color32::TRANSPARENT);
        3
    };
    if joins {
        let last = first - n_across;
        for idx in 0..n_across - 1 {
            let (a, b) = (last + idx, first + idx);
            mesh.indices.extend([a, a + 1, b, b, a + 1, b + 1]);
        }
    }
}

fn vertex(mesh: &mut Mesh, pos: Pos2, color: Color32) {
    let uv = WHITE_UV;
    mesh.vertices.push(Vertex { pos, uv, color });
}

#[cfg(test)]
mod tests {
    use eframe::egui::pos2;

    use super::*;

    const PEN: Pen = Pen {
        colour: Color32::WHITE,
        width: 2.0,
        soft: 1.0,
    };

    fn line(points: &[Pos2]) -> Mesh {
        let mut mesh = Mesh::default();
        add_line(&mut mesh, points.iter().copied(), PEN);
        assert!(mesh.is_valid());
        mesh
    }

    #[test]
    fn a_line_is_as_wide_as_its_pen() {
        let mesh = line(&[pos2(0.0, 5.0), pos2(10.0, 5.0)]);
        let heights: Vec<f32> = mesh.vertices.iter().map(|v| v.pos.y).collect();
        assert_eq!(heights[..4], [6.5, 5.5, 4.5, 3.5]);
        assert_eq!(mesh.indices.len(), 18);
    }

    #[test]
    fn what_is_not_finite_is_a_gap() {
        let gap = pos2(2.0, f32::NAN);
        let points = [pos2(0.0, 0.0), pos2(1.0, 0.0), gap, pos2(3.0, 0.0)];
        // The point alone after the gap is no line.
        assert_eq!(line(&points).vertices.len(), 8);
    }

    #[test]
    fn a_band_has_gaps_too() {
        let mut mesh = Mesh::default();
        let at = |x: f32| (pos2(x, 0.0), pos2(x, 9.0));
        let gap = (pos2(2.0, f32::NAN), pos2(2.0, 9.0));
        add_band(
            &mut mesh,
            &[at(0.0), at(1.0), gap, at(3.0), at(4.0)],
            Color32::RED,
        );
        assert!(mesh.is_valid());
        // Two pieces of one square each.
        assert_eq!(mesh.indices.len(), 2 * 6);
    }

    #[test]
    fn a_spike_stays_as_tall_as_it_is() {
        let spike = line(&[pos2(0.0, 0.0), pos2(1.0, 90.0), pos2(2.0, 0.0)]);
        let top = spike.vertices.iter().map(|v| v.pos.y).fold(0.0, f32::max);
        assert!((90.0..=91.6).contains(&top), "{top}");
    }

    #[test]
    fn dashes_leave_gaps() {
        let mut mesh = Mesh::default();
        add_dashed(&mut mesh, &[pos2(0.0, 0.0), pos2(22.0, 0.0)], PEN);
        // From 0 to 5, 10 to 15 and 20 to 22.
        assert_eq!(mesh.vertices.len(), 3 * 8);
        let right = mesh.vertices.iter().map(|v| v.pos.x).fold(0.0, f32::max);
        assert_eq!(right, 22.0);
    }
}
