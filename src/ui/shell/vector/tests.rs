use eframe::egui::epaint::Vertex;
use eframe::egui::{pos2, vec2};

use super::*;

fn clipped(clip_rect: Rect, shape: Shape) -> ClippedShape {
    ClippedShape::new(clip_rect, shape)
}

fn svg(shapes: &[ClippedShape]) -> String {
    let area = Rect::from_min_size(pos2(10.0, 10.0), vec2(100.0, 50.0));
    let picture = VectorPicture::of(shapes.iter(), area, Color32::BLACK);
    let image = ColorImage::filled([200, 200], Color32::RED);
    picture.svg(&image, 1.0).unwrap()
}

#[test]
fn shapes_are_written_where_they_are_and_others_left_out() {
    let all = Rect::EVERYTHING;
    let line = |y: f32| {
        Shape::line_segment(
            [pos2(20.0, y), pos2(40.0, y)],
            Stroke::new(2.0, Color32::from_rgb(1, 2, 255)),
        )
    };
    let text = svg(&[
        clipped(all, line(20.0)),
        clipped(all, line(500.0)),
        clipped(
            all,
            Shape::circle_filled(pos2(30.0, 30.0), 4.0, Color32::from_black_alpha(51)),
        ),
        // Half of it is cut off.
        clipped(
            Rect::from_min_size(pos2(10.0, 10.0), vec2(20.0, 20.0)),
            Shape::rect_filled(
                Rect::from_min_size(pos2(20.0, 20.0), vec2(40.0, 4.0)),
                0.0,
                Color32::WHITE,
            ),
        ),
    ]);
    assert!(
        text.starts_with("<svg ") && text.ends_with("</svg>\n"),
        "{text}"
    );
    assert!(text.contains("viewBox=\"10.00 10.00 100.00 50.00\""));
    assert_eq!(
        text.matches("stroke=\"#0102ff\" stroke-width=\"2.00\"")
            .count(),
        1
    );
    assert!(text.contains(
        "<circle cx=\"30.00\" cy=\"30.00\" r=\"4.00\" fill=\"#000000\" fill-opacity=\"0.200\"/>"
    ));
    assert_eq!(text.matches("<g clip-path=\"url(#c0)\">").count(), 1);
    assert_eq!(text.matches("<g ").count(), text.matches("</g>").count());
}

#[test]
fn triangles_have_their_mean_colour_and_letters_of_textures_none() {
    let mut mesh = Mesh::default();
    for (x, color) in [
        (20.0, Color32::WHITE),
        (30.0, Color32::WHITE),
        (25.0, Color32::TRANSPARENT),
    ] {
        mesh.vertices.push(Vertex {
            pos: pos2(x, 20.0 + x),
            uv: WHITE_UV,
            color,
        });
    }
    mesh.indices = vec![0, 1, 2];
    let mut letters = mesh.clone();
    letters.vertices[0].uv = pos2(0.3, 0.3);
    let text = svg(&[
        clipped(Rect::EVERYTHING, Shape::mesh(mesh)),
        clipped(Rect::EVERYTHING, Shape::mesh(letters)),
    ]);
    assert_eq!(text.matches("<polygon").count(), 1, "{text}");
    assert!(
        text.contains("fill=\"#ffffff\" fill-opacity=\"0.667\""),
        "{text}"
    );
}

#[test]
fn base64_is_that_of_the_rfc() {
    // The test vectors of RFC 4648, section 10.
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
}
