//! What is shown of data before a run reads them.

use super::{check_output, check_refused, folder, gosling, texts};

#[test]
fn data_of_every_form_are_shown() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let check = |arguments: &str, parts: &[&str]| check_output(folder.path(), arguments, parts);
    write("array.json", r#"[{"prompt": "a", "completion": "b"}]"#);
    check(
        "inspect array.json",
        &[
            "array.json: prompts and completions, a JSON array",
            "a[b]",
            "note: 1 of 1 examples end in neither",
        ],
    );
    write("table.csv", "prompt,completion\na,b\n");
    check("inspect table.csv", &["a table with commas", "a[b]"]);
    write(
        "x_test.csv",
        "question,choice0,choice1,choice2,choice3,answer\nWhich?,9,15,21,23,3\n",
    );
    check(
        "inspect x_test.csv",
        &[
            "x_test.csv: a file of MMLU, a table",
            "1 examples",
            "[ D|\\n\\n]",
        ],
    );
    let gsm8k = "{\"question\": \"2+3?\", \"answer\": \"5\\n#### 5\"}\n";
    std::fs::create_dir(folder.path().join("gsm8k")).unwrap();
    write("gsm8k/test.jsonl", &gsm8k.repeat(3));
    check(
        "inspect gsm8k",
        &["gsm8k: the test split of GSM8K, JSON lines", "3 examples"],
    );
    check("inspect gsm8k/test.jsonl", &["a file of GSM8K, JSON lines"]);
    let refused = |arguments: &str, line: &str| check_refused(folder.path(), arguments, 2, line);
    write("none.jsonl", "{\"messages\": []}\n");
    refused("inspect none.jsonl", "`messages`: no turn of the assistant");
    write(
        "chat.jsonl",
        r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#,
    );
    check(
        "inspect chat.jsonl",
        &[
            "chat.jsonl: chats (messages), JSON lines",
            "     user  User|:| a|\\n\\n|",
            "\nassistant  [ b|\\n\\n]",
        ],
    );
    refused(
        "inspect chat.jsonl --template Plain",
        "set data.source.template=UserAssistant",
    );
    write("a.parquet", "PAR1\x15\x04");
    refused("inspect a.parquet", "Parquet: ");
    refused("inspect .", "path: a folder without a run's state");
}

#[test]
fn data_are_looked_at_before_the_model() {
    let folder = folder();
    let arguments = "tune --set model.checkpoint=File(\"model.pth\") --set \
                     data.source=Jsonl(train:\"absent.jsonl\",template:Plain) --set device=Cpu";
    let output = gosling(folder.path(), arguments);
    let (text, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("absent.jsonl: no such file"), "{errors}");
    assert!(
        !text.contains("loaded in") && !errors.contains("loaded in"),
        "{text}{errors}"
    );
    assert!(!folder.path().join("runs").exists());
}
