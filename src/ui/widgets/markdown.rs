//! Notes in Markdown: headings, lists, code, bold, italic and links. What is none of
//! these stands as it was typed.

use eframe::egui::text::LayoutJob;
use eframe::egui::{FontId, RichText, TextFormat, Ui};

use crate::ui::shell::theme::palette;

/// A line of a note, without the signs that say what it is.
#[derive(Debug, Clone, PartialEq)]
enum Block {
    /// A heading of this level, from 1.
    Heading(usize, Vec<Span>),
    /// A point of a list, below so many others, with what stands in front of it.
    Point(usize, String, Vec<Span>),
    /// Lines of code as they stand.
    Code(String),
    /// A paragraph.
    Text(Vec<Span>),
}

/// Part of a line in one look.
#[derive(Debug, Clone, PartialEq, Default)]
struct Span {
    text: String,
    is_bold: bool,
    is_italic: bool,
    is_code: bool,
    /// Where it leads.
    link: Option<String>,
}

/// Draws a note.
pub fn markdown_ui(ui: &mut Ui, text: &str) {
    for block in blocks(text) {
        match block {
            Block::Heading(level, spans) => {
                let size = match level {
                    1 => 16.0,
                    2 => 14.5,
                    _ => 13.0,
                };
                let text: String = spans.into_iter().map(|span| span.text).collect();
                ui.add_space(2.0);
                ui.label(RichText::new(text).size(size).strong());
            }
            Block::Point(depth, sign, spans) => {
                ui.horizontal_top(|ui| {
                    ui.add_space(4.0 + 14.0 * depth as f32);
                    ui.label(sign);
                    ui.vertical(|ui| spans_ui(ui, &spans));
                });
            }
            Block::Code(text) => {
                let fill = palette(ui.visuals()).sunken;
                let frame = eframe::egui::Frame::new().fill(fill).inner_margin(6.0);
                frame.show(ui, |ui| ui.label(RichText::new(text).monospace()));
            }
            Block::Text(spans) => spans_ui(ui, &spans),
        }
    }
}

/// Draws the parts of a line, wrapped; links are parts of their own.
fn spans_ui(ui: &mut Ui, spans: &[Span]) {
    let has_link = spans.iter().any(|span| span.link.is_some());
    if !has_link {
        ui.label(job(ui, spans));
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        for span in spans {
            match &span.link {
                Some(link) => {
                    ui.hyperlink_to(&span.text, link).on_hover_text(link);
                }
                None => {
                    ui.label(job(ui, std::slice::from_ref(span)));
                }
            }
        }
    });
}

fn job(ui: &Ui, spans: &[Span]) -> LayoutJob {
    let colours = palette(ui.visuals());
    let mut job = LayoutJob::default();
    for span in spans {
        let font_id = match span.is_code {
            true => FontId::monospace(12.0),
            false => FontId::proportional(13.0),
        };
        let format = TextFormat {
            font_id,
            // The font has one weight, so that strong text is brighter.
            color: if span.is_bold {
                colours.strong
            } else {
                colours.text
            },
            italics: span.is_italic,
            background: match span.is_code {
                true => colours.raised,
                false => eframe::egui::Color32::TRANSPARENT,
            },
            ..TextFormat::default()
        };
        job.append(&span.text, 0.0, format);
    }
    job
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph: Vec<&str> = Vec::new();
    let mut lines = text.lines();
    let end = |paragraph: &mut Vec<&str>, blocks: &mut Vec<Block>| {
        if !paragraph.is_empty() {
            blocks.push(Block::Text(spans(&paragraph.join(" "))));
            paragraph.clear();
        }
    };
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") {
            end(&mut paragraph, &mut blocks);
            let code = lines
                .by_ref()
                .take_while(|line| !line.trim_start().starts_with("```"));
            blocks.push(Block::Code(code.collect::<Vec<_>>().join("\n")));
        } else if let Some(block) = heading(trimmed).or_else(|| point(line)) {
            end(&mut paragraph, &mut blocks);
            blocks.push(block);
        } else if trimmed.is_empty() {
            end(&mut paragraph, &mut blocks);
        } else {
            paragraph.push(trimmed.trim_end());
        }
    }
    end(&mut paragraph, &mut blocks);
    blocks
}

fn heading(line: &str) -> Option<Block> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    let text = text
        .strip_prefix(' ')
        .filter(|_| (1..=6).contains(&level))?;
    Some(Block::Heading(level, spans(text.trim())))
}

fn point(line: &str) -> Option<Block> {
    let trimmed = line.trim_start();
    let depth = (line.len() - trimmed.len()) / 2;
    let bullet = ["- ", "* ", "+ "]
        .iter()
        .find_map(|sign| trimmed.strip_prefix(sign));
    if let Some(text) = bullet {
        return Some(Block::Point(depth, "•".into(), spans(text)));
    }
    let (number, text) = trimmed.split_once(". ")?;
    let is_number = !number.is_empty() && number.len() <= 3;
    let is_number = is_number && number.chars().all(|c| c.is_ascii_digit());
    is_number.then(|| Block::Point(depth, format!("{number}."), spans(text)))
}

/// The parts of a line. A sign without its other one stands as it is.
fn spans(line: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut plain = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        match marked(rest) {
            Some((span, length)) => {
                if !plain.is_empty() {
                    let text = std::mem::take(&mut plain);
                    spans.push(Span {
                        text,
                        ..Span::default()
                    });
                }
                spans.push(span);
                rest = &rest[length..];
            }
            None => {
                plain.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    if !plain.is_empty() {
        spans.push(Span {
            text: plain,
            ..Span::default()
        });
    }
    spans
}

/// A part that begins here with a sign, and its length with both of them.
fn marked(text: &str) -> Option<(Span, usize)> {
    let within = |sign: &str| {
        let inner = text.strip_prefix(sign)?;
        let end = inner.find(sign)?;
        let inner = &inner[..end];
        let is_one = !inner.is_empty() && !inner.starts_with(' ') && !inner.ends_with(' ');
        is_one.then(|| (inner.to_owned(), end + 2 * sign.len()))
    };
    if let Some((text, length)) = within("`") {
        return Some((
            Span {
                text,
                is_code: true,
                ..Span::default()
            },
            length,
        ));
    }
    if let Some((text, length)) = within("**") {
        return Some((
            Span {
                text,
                is_bold: true,
                ..Span::default()
            },
            length,
        ));
    }
    if let Some((text, length)) = within("*") {
        return Some((
            Span {
                text,
                is_italic: true,
                ..Span::default()
            },
            length,
        ));
    }
    link(text)
}

fn link(text: &str) -> Option<(Span, usize)> {
    let (name, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (target, _) = rest.split_once(')')?;
    // Nothing else is opened from a note.
    let is_web = target.starts_with("https://") || target.starts_with("http://");
    if !is_web || name.is_empty() || name.contains(['[', ']']) {
        return None;
    }
    let span = Span {
        text: name.to_owned(),
        link: Some(target.to_owned()),
        ..Span::default()
    };
    Some((span, name.len() + target.len() + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Span {
        Span {
            text: text.into(),
            ..Span::default()
        }
    }

    #[test]
    fn lines_are_what_their_signs_say() {
        let text = "# Result\nBetter than\nthe last one.\n\n- first\n  - below\n2. second\n```\nlet *a* = 1;\n```\n#no heading\n2.5 is a number";
        assert_eq!(
            blocks(text),
            [
                Block::Heading(1, vec![plain("Result")]),
                Block::Text(vec![plain("Better than the last one.")]),
                Block::Point(0, "•".into(), vec![plain("first")]),
                Block::Point(1, "•".into(), vec![plain("below")]),
                Block::Point(0, "2.".into(), vec![plain("second")]),
                Block::Code("let *a* = 1;".into()),
                Block::Text(vec![plain("#no heading 2.5 is a number")]),
            ]
        );
        assert!(blocks("").is_empty());
        // A fence that is not closed holds the rest.
        assert_eq!(blocks("```\na"), [Block::Code("a".into())]);
    }

    #[test]
    fn parts_of_a_line_are_found_and_lone_signs_stay() {
        let bold = Span {
            is_bold: true,
            ..plain("M = 64")
        };
        let italic = Span {
            is_italic: true,
            ..plain("much")
        };
        let code = Span {
            is_code: true,
            ..plain("--set a*b*c")
        };
        assert_eq!(
            spans("a **M = 64** is *much* `--set a*b*c`"),
            [plain("a "), bold, plain(" is "), italic, plain(" "), code]
        );
        for alone in [
            "2 * 3 * 4",
            "a `b",
            "**",
            "[a](file:///etc/passwd)",
            "[a] (b)",
            "测试 *",
        ] {
            assert_eq!(spans(alone), [plain(alone)], "{alone}");
        }
        let link = Span {
            link: Some("https://arxiv.org/abs/2504.05097".into()),
            ..plain("paper")
        };
        assert_eq!(
            spans("see [paper](https://arxiv.org/abs/2504.05097)."),
            [plain("see "), link, plain(".")]
        );
    }
}
