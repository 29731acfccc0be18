use super::*;
use crate::bench::Accuracy;

fn table() -> Table {
    let mut table = Table::new("gsm8k-mini", ["run", "strict", "secs"]);
    let accuracy = Accuracy {
        n_correct: 231,
        n_items: 500,
    };
    table.push([
        Cell::text("a_1, \"x\""),
        accuracy.into(),
        Cell::number(-1.25, 1),
    ]);
    table.push([Cell::text("=1|2"), Cell::Empty, Cell::Count(3)]);
    table
}

fn check(format: TableFormat, expected: &str) {
    assert_eq!(table().render(format), expected);
}

#[test]
fn people_read_an_estimate_as_one_cell() {
    check(
        TableFormat::Text,
        "gsm8k-mini\n\
         run       strict                        secs\n\
         a_1, \"x\"  0.462 [0.419, 0.506] n = 500  -1.2\n\
         =1|2                                       3\n",
    );
    check(
        TableFormat::Markdown,
        "**gsm8k-mini**\n\n\
         | run | strict | secs |\n\
         | :-- | :-- | --: |\n\
         | a_1, \"x\" | 0.462 [0.419, 0.506] n = 500 | -1.2 |\n\
         | =1\\|2 |  | 3 |\n",
    );
    check(
        TableFormat::Latex,
        "% gsm8k-mini\n\
         \\begin{tabular}{llr}\n\\toprule\nrun & strict & secs \\\\\n\\midrule\n\
         a\\_1, \"x\" & 0.462 [0.419, 0.506] n = 500 & $-$1.2 \\\\\n\
         =1|2 &  & 3 \\\\\n\\bottomrule\n\\end{tabular}\n",
    );
}

#[test]
fn programs_read_a_column_for_each_number() {
    let csv = table().render(TableFormat::Csv);
    let mut lines = csv.split("\r\n");
    let heading = "run,strict,strict_low,strict_high,strict_n,strict_n_total,secs";
    assert_eq!(lines.next(), Some(heading));
    let first = lines.next().unwrap();
    assert!(
        first.starts_with("\"a_1, \"\"x\"\"\",0.462,0.41"),
        "{first}"
    );
    assert!(first.ends_with(",500,500,-1.25"), "{first}");
    assert_eq!(lines.next(), Some("'=1|2,,,,,,3"));
    let json: Value = serde_json::from_str(&table().render(TableFormat::Json)).unwrap();
    assert_eq!(json[0]["strict_n"], 500);
    assert_eq!(json[1]["strict"], Value::Null);
    assert_eq!(json[1]["run"], "=1|2");
}

#[test]
fn a_part_and_a_difference_are_marked() {
    let estimate = Estimate {
        value: 0.05,
        low: -0.01,
        high: 0.11,
        n: 200,
        n_total: 1319,
        is_difference: true,
    };
    let expected = "+0.050 [-0.010, +0.110] n = 200 of 1319";
    assert_eq!(estimate.to_string(), expected);
}

#[test]
fn a_format_is_known_by_its_name_and_by_an_extension() {
    for format in TableFormat::ALL {
        assert_eq!(format.name().parse::<TableFormat>().unwrap(), format);
        let path = Path::new("x").with_extension(format.extension());
        assert_eq!(TableFormat::of_path(&path).unwrap(), format);
    }
    let message = TableFormat::of_path(Path::new("x.xls")).unwrap_err();
    let expected = "x.xls: extension: a table is written as .txt, .md, .tex, .csv, .json";
    assert_eq!(message.to_string(), expected);
}
