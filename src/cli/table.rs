//! Tables on a terminal, where a Chinese letter takes the room of two others.

use unicode_width::UnicodeWidthStr;

/// Rows under a heading as lines, every column as wide as its widest cell; the
/// columns at `right` end at their right edge.
pub(super) fn table<const N: usize>(
    heading: [&str; N],
    rows: &[[String; N]],
    right: &[usize],
) -> String {
    let heading = heading.map(str::to_owned);
    let rows: Vec<&[String; N]> = std::iter::once(&heading).chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].width());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &&[String; N]| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let room = " ".repeat(widths[column] - cell.width());
            match right.contains(&column) {
                true => format!("{room}{cell}"),
                false => format!("{cell}{room}"),
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

/// Rows with every column as wide as its widest cell.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..n_columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["ä", "5"], ["longer", "12"]].map(|row| row.map(str::to_owned));
        let got = table(["name", "n"], &rows, &[1]);
        assert_eq!(got, "name     n\nä        5\nlonger  12\n");
        let rows = [["损失", "5"], ["rate", "12"]].map(|row| row.map(str::to_owned));
        let got = table(["名", "n"], &rows, &[1]);
        assert_eq!(got, "名     n\n损失   5\nrate  12\n");
        let rows = [["学习率", "η"], ["x", "y"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns(&rows), "学习率  η\nx       y\n");
    }
}
