use super::*;

#[test]
fn shards_are_known_by_their_names() {
    let index = |name| index_beside(name);
    assert_eq!(
        index("model-00001-of-00003.safetensors").as_deref(),
        Some("model.safetensors.index.json")
    );
    assert_eq!(
        index("pytorch_model-00002-of-00002.bin").as_deref(),
        Some("pytorch_model.bin.index.json")
    );
    for other in [
        "rwkv7-g1k-1.5b-20260930-ctx25600.pth",
        "a-of-b.pth",
        "best-of-2.pth",
        "model-00001-of-00003.gguf",
    ] {
        assert_eq!(index(other), None, "{other}");
    }
}

#[test]
fn an_index_names_files_beside_it_only() {
    let read = |text: &str| files_of(text.as_bytes());
    let (file_of, names) =
        read(r#"{"metadata":{},"weight_map":{"a":"2","b":"1","c":"2"}}"#).unwrap();
    assert_eq!(names, ["1", "2"]);
    assert_eq!((file_of["a"], file_of["b"], file_of["c"]), (1, 0, 1));
    for name in ["../x", "/etc/x", "a/b", "..", "", "C:x", "a\\\\b"] {
        let error = read(&format!(r#"{{"weight_map":{{"a":"{name}"}}}}"#)).unwrap_err();
        assert!(
            error.contains("not in the folder itself"),
            "{name}: {error}"
        );
    }
    assert!(
        read(r#"{"weight_map":{}}"#)
            .unwrap_err()
            .contains("lists 0")
    );
    assert!(read("[1]").unwrap_err().contains("not that of an index"));
}

#[test]
fn a_configuration_can_speak_against_the_model() {
    let refusal = |text: &str| {
        let config: Value = serde_json::from_str(text).unwrap();
        refusal_of(&config).map(|(key, _)| key)
    };
    for (text, want) in [
        (
            r#"{"architectures":["RWKV7ForCausalLM"],"attn":null}"#,
            None,
        ),
        (r#"{"architectures":["Rwkv7ForCausalLM"],"attn":{}}"#, None),
        (r#"{"architectures":["RwkvForCausalLM"]}"#, None),
        (r#"{"tie_word_embeddings":false}"#, None),
        (
            r#"{"architectures":["GatedDeltaNetForCausalLM"],"model_type":"gated_deltanet"}"#,
            None,
        ),
        (
            r#"{"architectures":["GatedDeltaProductForCausalLM"],"model_type":"gated_deltaproduct"}"#,
            Some("architectures"),
        ),
        ("[]", None),
        (
            r#"{"architectures":["LlamaForCausalLM"]}"#,
            Some("architectures"),
        ),
        (
            r#"{"architectures":["RwkvHybridForCausalLM"]}"#,
            Some("architectures"),
        ),
        (r#"{"attn":{"layers":[3]}}"#, Some("attn")),
        (
            r#"{"tie_word_embeddings":true}"#,
            Some("tie_word_embeddings"),
        ),
    ] {
        assert_eq!(refusal(text), want, "{text}");
    }
}
