//! The same table as text, for users and for programs.

use std::io::Write as _;
use std::path::Path;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::table::{Cell, Estimate, Table};
use crate::atomic::write_atomic;
use crate::error::{Error, Result};

/// What a table is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Columns that line up on a terminal.
    Text,
    /// A pipe table of GitHub's Markdown.
    Markdown,
    /// A `tabular` with the rules of the package booktabs.
    Latex,
    /// Comma-separated, RFC 4180, every number in full.
    Csv,
    /// An array of objects, every number in full.
    Json,
}

/// What an estimate's own columns are called, after the name of its column.
const ESTIMATE_PARTS: [&str; 5] = ["", "_low", "_high", "_n", "_n_total"];

impl TableFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [
        Self::Text,
        Self::Markdown,
        Self::Latex,
        Self::Csv,
        Self::Json,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Latex => "latex",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// The extension of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Markdown => "md",
            Self::Latex => "tex",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// Whether programs read it, which look for columns by their names.
    pub fn is_for_programs(self) -> bool {
        match self {
            Self::Csv | Self::Json => true,
            Self::Text | Self::Markdown | Self::Latex => false,
        }
    }

    /// The format of a file by its extension.
    ///
    /// # Errors
    /// [`Error::Input`] with the extensions that there are.
    pub fn of_path(path: &Path) -> Result<Self> {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let extension = extension.to_lowercase();
        let mut all = Self::ALL.into_iter();
        all.find(|format| format.extension() == extension)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::extension).join(", .");
                Error::input(
                    path,
                    tr!("extension"),
                    tr!("a table is written as .{known}", known),
                )
            })
    }
}

impl FromStr for TableFormat {
    type Err = Error;

    /// # Errors
    /// [`Error::Spec`] with the names that there are.
    fn from_str(name: &str) -> Result<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|format| format.name() == name || format.extension() == name)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::name).join(", ");
                let reason = tr!("`{name}` is unknown; choose from {known}", name, known);
                Error::spec("format", reason)
            })
    }
}

impl Table {
    /// The table as text, which ends in a line break.
    pub fn render(&self, format: TableFormat) -> String {
        match format {
            TableFormat::Text => self.text(),
            TableFormat::Markdown => self.markdown(),
            TableFormat::Latex => self.latex(),
            TableFormat::Csv => self.csv(),
            TableFormat::Json => self.json(),
        }
    }

    /// Writes the table to `path` in the format of its extension.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for another extension, [`crate::Error::Io`]
    /// where it cannot be written; an older file is then as it was.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let text = self.render(TableFormat::of_path(path)?);
        write_atomic(path, |writer| writer.write_all(text.as_bytes()))
    }

    /// Whether every cell of a column is a number.
    fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().map(|row| &row[column]);
        cells.all(|cell| cell.is_numeric() || *cell == Cell::Empty)
    }

    fn text(&self) -> String {
        let mut lines = vec![self.columns.clone()];
        let shown = |row: &Vec<Cell>| row.iter().map(|cell| one_line(&cell.to_string())).collect();
        lines.extend(self.rows.iter().map(shown));
        let width = |column: usize| {
            let cells = lines.iter().map(|line: &Vec<String>| &line[column]);
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut text = String::new();
        if !self.title.is_empty() {
            text += &format!("{}\n", self.title);
        }
        for line in &lines {
            let cells = line.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, width))| match self.is_numeric(column) {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
            text += cells.collect::<Vec<_>>().join("  ").trim_end();
            text.push('\n');
        }
        for note in &self.notes {
            text += &format!("{note}\n");
        }
        text
    }

    fn markdown(&self) -> String {
        let escaped = |text: &str| one_line(text).replace('\\', "\\\\").replace('|', "\\|");
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = String::new();
        if !self.title.is_empty() {
            text += &format!("**{}**\n\n", one_line(&self.title));
        }
        text += &line(self.columns.iter().map(|name| escaped(name)).collect());
        let rules = (0..self.columns.len()).map(|column| match self.is_numeric(column) {
            true => "--:",
            false => ":--",
        });
        text += &line(rules.map(str::to_owned).collect());
        for row in &self.rows {
            text += &line(row.iter().map(|cell| escaped(&cell.to_string())).collect());
        }
        for note in &self.notes {
            text += &format!("\n{note}\n");
        }
        text
    }

    fn latex(&self) -> String {
        let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
        let columns = (0..self.columns.len()).map(|column| match self.is_numeric(column) {
            true => 'r',
            false => 'l',
        });
        let mut text = String::new();
        if !self.title.is_empty() {
            text += &format!("% {}\n", one_line(&self.title));
        }
        text += &format!(
            "\\begin{{tabular}}{{{}}}\n\\toprule\n",
            columns.collect::<String>()
        );
        text += &line(
            self.columns
                .iter()
                .map(|name| latex_escaped(name))
                .collect(),
        );
        text += "\\midrule\n";
        for row in &self.rows {
            text += &line(row.iter().map(latex_cell).collect());
        }
        text += "\\bottomrule\n\\end{tabular}\n";
        for note in &self.notes {
            text += &format!("% {}\n", one_line(note));
        }
        text
    }

    /// The columns that programs read, and for each row its cells there.
    fn spread(&self) -> (Vec<String>, Vec<Vec<Value>>) {
        let is_estimate = |column: usize| {
            let mut cells = self.rows.iter().map(|row| &row[column]);
            cells.any(|cell| matches!(cell, Cell::Estimate(_)))
        };
        let spread: Vec<bool> = (0..self.columns.len()).map(is_estimate).collect();
        let mut names = Vec::new();
        for (name, is_spread) in self.columns.iter().zip(&spread) {
            match is_spread {
                true => names.extend(ESTIMATE_PARTS.map(|part| format!("{name}{part}"))),
                false => names.push(name.clone()),
            }
        }
        let rows = self.rows.iter().map(|row| {
            let cells = row.iter().zip(&spread);
            let values = cells.flat_map(|(cell, is_spread)| match (cell, is_spread) {
                (Cell::Estimate(of), _) => {
                    let Estimate {
                        value,
                        low,
                        high,
                        n,
                        n_total,
                        ..
                    } = of;
                    vec![
                        json!(value),
                        json!(low),
                        json!(high),
                        json!(n),
                        json!(n_total),
                    ]
                }
                (_, true) => {
                    let mut values = vec![Value::Null; ESTIMATE_PARTS.len()];
                    values[0] = plain(cell);
                    values
                }
                (_, false) => vec![plain(cell)],
            });
            values.collect()
        });
        (names, rows.collect())
    }

    fn csv(&self) -> String {
        let (names, rows) = self.spread();
        let mut text = csv_line(names.iter().map(|name| csv_field(name)));
        for row in rows {
            text += &csv_line(row.iter().map(|value| match value {
                Value::Null => String::new(),
                Value::String(text) => csv_field(text),
                other => other.to_string(),
            }));
        }
        text
    }

    fn json(&self) -> String {
        let (names, rows) = self.spread();
        let objects = rows.into_iter().map(|row| {
            let fields: Map<String, Value> = names.iter().cloned().zip(row).collect();
            Value::Object(fields)
        });
        // Values of a table cannot fail to become text.
        let text = serde_json::to_string_pretty(&Value::Array(objects.collect()));
        text.unwrap_or_default() + "\n"
    }
}

/// A cell that is no estimate; NaN and infinities become null.
fn plain(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Text(text) => json!(text),
        Cell::Count(count) => json!(count),
        Cell::Number { value, .. } | Cell::Scientific(value) => json!(value),
        Cell::Estimate(estimate) => json!(estimate.value),
    }
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn latex_cell(cell: &Cell) -> String {
    let text = latex_escaped(&cell.to_string());
    match cell {
        Cell::Number { .. } | Cell::Scientific(_) | Cell::Count(_) => text.replace('-', "$-$"),
        Cell::Empty | Cell::Text(_) | Cell::Estimate(_) => text,
    }
}

fn latex_escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in one_line(text).chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '\\' => escaped += "\\textbackslash{}",
            '~' => escaped += "\\textasciitilde{}",
            '^' => escaped += "\\textasciicircum{}",
            '<' => escaped += "\\textless{}",
            '>' => escaped += "\\textgreater{}",
            _ => escaped.push(c),
        }
    }
    escaped
}

fn csv_line(fields: impl Iterator<Item = String>) -> String {
    fields.collect::<Vec<_>>().join(",") + "\r\n"
}

/// A text as a field; what a spreadsheet would take for a formula is quoted
/// with an apostrophe, so that opening the file runs nothing.
fn csv_field(text: &str) -> String {
    let text = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests;
