//! A report: texts, tables and pictures as one page that needs no other file, or as
//! Markdown with its pictures in a folder beside it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::format::TableFormat;
use super::table::{Cell, Table};
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::language::chosen;

/// A report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// What it has, from top to bottom.
    pub parts: Vec<PagePart>,
}

/// A part of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum PagePart {
    /// The heading of what follows.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// Something as it stands, such as a command line.
    Code(String),
    /// A table, with its title and notes.
    Table(Table),
    /// A picture as SVG, and what it shows.
    Picture {
        /// What it shows.
        title: String,
        /// The picture, an `svg` element.
        svg: String,
    },
}

/// Of a page that reads well on a screen and on paper.
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1rem;color:#20242b;background:#fff}h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}\
table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}\
caption{text-align:left;font-weight:600;padding:.2rem 0}\
th,td{padding:.25rem .7rem;border-bottom:1px solid #d8dce3;text-align:left;white-space:nowrap}\
td.n{text-align:right;font-variant-numeric:tabular-nums}\
pre{background:#f3f4f6;padding:.7rem;overflow-x:auto}figure{margin:1rem 0}\
figcaption{font-weight:600}svg{max-width:100%;height:auto}.note{color:#5a626e;font-size:.9em}";

impl Page {
    /// As one page of HTML that refers to nothing outside it.
    pub fn html(&self) -> String {
        let title = escaped(&self.title);
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
             name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n",
            chosen()
        );
        for part in &self.parts {
            // Writing to a String cannot fail.
            let _ = match part {
                PagePart::Heading(text) => writeln!(html, "<h2>{}</h2>", escaped(text)),
                PagePart::Text(text) => writeln!(html, "<p>{}</p>", escaped(text)),
                PagePart::Code(text) => writeln!(html, "<pre>{}</pre>", escaped(text)),
                PagePart::Table(table) => writeln!(html, "{}", table_html(table)),
                PagePart::Picture { title, svg } => writeln!(
                    html,
                    "<figure><figcaption>{}</figcaption>\n{svg}\n</figure>",
                    escaped(title)
                ),
            };
        }
        html += "</body>\n</html>\n";
        html
    }

    /// As GitHub's Markdown, and the pictures that it refers to in the folder of this
    /// name, by their names.
    pub fn markdown(&self, folder: &str) -> (String, Vec<(String, &str)>) {
        let mut text = format!("# {}\n", plain(&self.title));
        let mut pictures = Vec::new();
        for part in &self.parts {
            // Writing to a String cannot fail.
            let _ = match part {
                PagePart::Heading(heading) => writeln!(text, "\n## {}", plain(heading)),
                PagePart::Text(paragraph) => writeln!(text, "\n{}", plain(paragraph)),
                PagePart::Code(code) => writeln!(text, "\n{}", fenced(code)),
                PagePart::Table(table) => {
                    writeln!(text, "\n{}", table.render(TableFormat::Markdown).trim_end())
                }
                PagePart::Picture { title, svg } => {
                    let name = format!("{:02}.svg", pictures.len() + 1);
                    let place = format!("{}/{name}", folder.replace(' ', "%20"));
                    pictures.push((name, svg.as_str()));
                    writeln!(text, "\n![{}]({place})", plain(title))
                }
            };
        }
        (text, pictures)
    }

    /// Writes the report, as HTML or as Markdown by the ending of `path`. The pictures
    /// of Markdown go into a folder beside it, which is named after the file.
    ///
    /// # Errors
    /// [`Error::Input`] for another ending, [`Error::Io`] where something cannot be
    /// written; an older file is then as it was.
    pub fn write(&self, path: &Path) -> Result<()> {
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        match ending.to_lowercase().as_str() {
            "html" | "htm" => write_text(path, &self.html()),
            "md" | "markdown" => {
                let folder = pictures_beside(path);
                let name = folder.file_name().unwrap_or_default().to_string_lossy();
                let (text, pictures) = self.markdown(&name);
                if !pictures.is_empty() {
                    std::fs::create_dir_all(&folder)
                        .map_err(|source| Error::io("create", &folder, source))?;
                }
                for (name, svg) in pictures {
                    write_text(&folder.join(name), svg)?;
                }
                // Last, since it refers to the others.
                write_text(path, &text)
            }
            _ => {
                let reason = tr!("must be .html or .md, the formats of a report");
                Err(Error::input(path, tr!("extension"), reason))
            }
        }
    }
}

/// The folder of the pictures of a Markdown file.
fn pictures_beside(path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-pictures"))
}

fn write_text(path: &Path, text: &str) -> Result<()> {
    write_atomic(path, |file| file.write_all(text.as_bytes()))
}

/// Text within HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text within Markdown, of which nothing is taken for a sign.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '!' => {
                plain.push('\\');
                plain.push(c);
            }
            '\n' => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}

/// Code in a fence that is longer than any run of backticks in it.
fn fenced(code: &str) -> String {
    let runs = code.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0).max(2) + 1);
    format!("{fence}\n{}\n{fence}", code.trim_end_matches('\n'))
}

fn table_html(table: &Table) -> String {
    let mut html = String::from("<table>\n");
    if !table.title.is_empty() {
        html += &format!("<caption>{}</caption>\n", escaped(&table.title));
    }
    let headings = table.columns.iter();
    let headings: String = headings
        .map(|name| format!("<th>{}</th>", escaped(name)))
        .collect();
    html += &format!("<thead><tr>{headings}</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        let cells: String = row.iter().map(cell_html).collect();
        html += &format!("<tr>{cells}</tr>\n");
    }
    html += "</tbody>\n</table>";
    for note in &table.notes {
        html += &format!("\n<p class=\"note\">{}</p>", escaped(note));
    }
    html
}

fn cell_html(cell: &Cell) -> String {
    let class = if cell.is_numeric() {
        " class=\"n\""
    } else {
        ""
    };
    format!("<td{class}>{}</td>", escaped(&cell.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let mut table = Table::new("Runs", ["run", "loss"]);
        table.push([Cell::text("a<b>|c"), Cell::number(0.5, 2)]);
        table.notes.push("n = 3 & more".into());
        Page {
            title: "A & <b>".into(),
            parts: vec![
                PagePart::Heading("First_one".into()),
                PagePart::Text("*not bold*".into()),
                PagePart::Code("gosling tune ```x```".into()),
                PagePart::Table(table),
                PagePart::Picture {
                    title: "Loss".into(),
                    svg: "<svg xmlns=\"http://www.w3.org/2000/svg\"/>".into(),
                },
            ],
        }
    }

    #[test]
    fn a_page_needs_no_other_file_and_nothing_in_it_is_taken_for_a_tag() {
        let html = page().html();
        assert!(html.contains("<title>A &amp; &lt;b&gt;</title>"));
        assert!(html.contains("<td>a&lt;b&gt;|c</td><td class=\"n\">0.50</td>"));
        assert!(html.contains("n = 3 &amp; more"));
        assert!(html.contains("<svg xmlns"));
        for outside in ["src=", "href=", "@import", "<script"] {
            assert!(!html.contains(outside), "{outside}");
        }
        let n = |tag: &str| html.matches(tag).count();
        assert_eq!(n("<tr>"), n("</tr>"));
        assert_eq!(n("<td"), 2);
    }

    #[test]
    fn markdown_refers_to_its_pictures() {
        let page = page();
        let (text, pictures) = page.markdown("my report-pictures");
        assert!(text.starts_with("# A & \\<b\\>\n\n## First\\_one\n\n\\*not bold\\*\n"));
        assert!(text.contains("\n````\ngosling tune ```x```\n````\n"));
        assert!(text.contains("![Loss](my%20report-pictures/01.svg)"));
        assert_eq!(pictures.len(), 1);
    }

    #[test]
    fn it_is_written_by_its_ending() {
        let folder = tempfile::tempdir().unwrap();
        let page = page();
        let html = folder.path().join("a.html");
        page.write(&html).unwrap();
        assert_eq!(std::fs::read_to_string(&html).unwrap(), page.html());
        page.write(&folder.path().join("b.md")).unwrap();
        let picture = folder.path().join("b-pictures/01.svg");
        assert!(
            std::fs::read_to_string(picture)
                .unwrap()
                .starts_with("<svg")
        );
        let error = page.write(&folder.path().join("c.pdf")).unwrap_err();
        assert!(
            error.to_string().contains("must be .html or .md"),
            "{error}"
        );
    }
}
