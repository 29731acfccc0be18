use proptest::prelude::*;

use super::*;

/// A pickle under construction, as `torch.save` would write it.
#[derive(Clone, Default)]
pub(crate) struct Pickle(pub(crate) Vec<u8>);

impl Pickle {
    /// A pickle of one dict, up to the first item.
    pub(crate) fn dict() -> Self {
        Self::default().raw(b"\x80\x02}q\x00(")
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        let len = u32::try_from(text.len()).unwrap();
        self.raw(b"X").raw(&len.to_le_bytes()).raw(text.as_bytes())
    }

    pub(crate) fn int(self, int: i64) -> Self {
        self.raw(b"\x8a\x08").raw(&int.to_le_bytes())
    }

    fn ints(self, ints: &[i64]) -> Self {
        ints.iter().fold(self.raw(b"("), |p, i| p.int(*i)).raw(b"t")
    }

    /// A key and its tensor.
    pub(crate) fn tensor(
        self,
        name: &str,
        class: &str,
        storage: (&str, i64),
        (offset, shape, strides): (i64, &[i64], &[i64]),
    ) -> Self {
        self.text(name)
            .raw(b"ctorch._utils\n_rebuild_tensor_v2\n((")
            .text("storage")
            .raw(format!("ctorch\n{class}\n").as_bytes())
            .text(storage.0)
            .text("cpu")
            .int(storage.1)
            .raw(b"tQ")
            .int(offset)
            .ints(shape)
            .ints(strides)
            .raw(b"\x89ccollections\nOrderedDict\n)RtR")
    }

    pub(crate) fn end(self) -> Vec<u8> {
        self.raw(b"u.").0
    }
}

fn one_tensor() -> Vec<u8> {
    Pickle::dict()
        .tensor("a", "HalfStorage", ("0", 6), (0, &[2, 3], &[3, 1]))
        .end()
}

fn check_refused(pickle: &[u8], want: &str) {
    let error = read_state_dict(pickle).unwrap_err();
    assert!(error.contains(want), "{error}");
    assert!(!error.contains('\n') && error.len() < 400, "{error}");
}

#[test]
fn a_state_dict_is_read() {
    let pickle = one_tensor();
    let want = PickledTensor {
        name: "a".into(),
        storage: PickledStorage {
            dtype: TensorDType::F16,
            key: "0",
            n_elements: 6,
        },
        offset: 0,
        shape: vec![2, 3],
        strides: vec![3, 1],
    };
    assert_eq!(read_state_dict(&pickle).unwrap(), [want]);
}

#[test]
fn wrappers_parameters_and_attributes_are_seen_through() {
    let inner = Pickle::default()
        .tensor("a", "FloatStorage", ("0", 1), (0, &[], &[]))
        .0;
    let ordered = Pickle::default()
        .raw(b"\x80\x02ccollections\nOrderedDict\n)R(")
        .raw(&inner)
        .raw(b"u}X\x09\x00\x00\x00_metadata}sb.")
        .0;
    assert_eq!(read_state_dict(&ordered).unwrap().len(), 1);
    let wrapped = Pickle::dict()
        .text("epoch")
        .int(3)
        .text("losses")
        .raw(b"](K\x01K\x02e")
        .text("state_dict")
        .raw(b"}(")
        .raw(&inner)
        .raw(b"u")
        .end();
    assert_eq!(read_state_dict(&wrapped).unwrap()[0].name, "a");
    let name_len = "a".len() + 5;
    let parameter = Pickle::dict()
        .text("a")
        .raw(b"ctorch._utils\n_rebuild_parameter\n(")
        .raw(&inner[name_len..])
        .raw(b"\x88NtR")
        .end();
    assert_eq!(read_state_dict(&parameter).unwrap().len(), 1);
}

#[test]
fn code_is_refused_by_name() {
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("torch", "load"),
        ("torch._utils", "_rebuild_sparse_tensor"),
        ("torch", "QInt8Storage"),
    ] {
        let want = format!("{module}.{name}, which a checkpoint has no need of; refused");
        let by_global = format!("\x02c{module}\n{name}\nX\x02\x00\x00\x00ls\u{1}R.");
        check_refused(&[b"\x80", by_global.as_bytes()].concat(), &want);
        let by_inst = format!("(X\x02\x00\x00\x00lsi{module}\n{name}\n.");
        check_refused(by_inst.as_bytes(), &want);
        let by_stack = Pickle::default().raw(b"\x80\x04").text(module).text(name);
        check_refused(&by_stack.raw(b"\x93.").0, &want);
    }
    check_refused(b"ctorch\nFloatStorage\n)R.", "torch.save does not write");
    check_refused(b"ctorch\nFloatStorage\n)\x81.", "opcode 0x81");
    check_refused(b"\x82\x01.", "opcode 0x82");
}

#[test]
fn malformed_programs_are_refused() {
    check_refused(b"", "ends in the middle");
    check_refused(b"\x80\x02}", "ends in the middle");
    check_refused(b"X\xff\xff\xff\xffab", "ends in the middle");
    check_refused(b"\x80\x09.", "protocol 9");
    check_refused(b".", "takes a value where there is none");
    check_refused(b"j\xff\xff\xff\xff.", "memo entry 4294967295");
    check_refused(b"q\x00.", "remembers a value where there is none");
    check_refused(b"t.", "takes a mark");
    check_refused(b"N(0t.", "takes a mark");
    check_refused(b"N\x87.", "more values than there are");
    check_refused(b"}(Nu.", "no value");
    check_refused(b"N(NNu.", "other than a dict");
    check_refused(b"(NNu.", "other than a dict");
    check_refused(b"a.", "takes a value");
    check_refused(b"NNa.", "other than a list");
    check_refused(b"NNR.", "other than a tuple");
    check_refused(b"N)R.", "not a function");
    check_refused(b"NQ.", "storage reference");
    check_refused(b"\x8a\x09aaaaaaaaa.", "no dict of named tensors");
    check_refused(b"\x8b\xff\xff\xff\xffaa.", "ends in the middle");
    check_refused(
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffaa.",
        "ends in the middle",
    );
    check_refused(b"](N\x90.", "other than a set");
    check_refused(b"](K\x01K\x02e.", "a list of something other than tensors");
    check_refused(b"c\xff\n\n.", "not UTF-8");
    check_refused(b"K\x01.", "no dict of named tensors");
}

#[test]
fn impossible_tensors_are_refused() {
    let check = |n_elements, offset, shape: &[i64], strides: &[i64], want| {
        let place = (offset, shape, strides);
        let pickle = Pickle::dict().tensor("a", "HalfStorage", ("0", n_elements), place);
        check_refused(&pickle.end(), want);
    };
    check(-1, 0, &[1], &[1], "-1 is not a size");
    check(1, -1, &[1], &[1], "-1 is not a size");
    check(1, 0, &[-7], &[1], "tensor a: -7 is not a size");
    check(1, 0, &[1, 1], &[1], "2 sizes and 1 strides");
    check(1, 0, &[1; 9], &[1; 9], "at most 8");
}

#[test]
fn deep_nesting_costs_no_stack() {
    // Each `\x85` wraps the tuple below it once more.
    let mut deep = b"\x80\x02)".to_vec();
    deep.resize(400_000, 0x85);
    deep.push(b'.');
    check_refused(&deep, "a list of something other than tensors");
    let mut wide = b"(".repeat(MAX_VALUES + 1);
    wide.push(b'.');
    check_refused(&wide, "makes more than");
}

#[test]
fn bombs_are_refused_before_they_grow() {
    // Doubling by the memo, as in the "billion laughs" of XML.
    let mut laughs = b"\x80\x02)q\x00".to_vec();
    laughs.extend(b"h\x00h\x00\x86q\x00".repeat(64));
    laughs.extend(b".");
    check_refused(&laughs, "a list of something other than tensors");
    let mut memo_bomb = b"\x80\x04N".to_vec();
    memo_bomb.resize(MAX_VALUES + 10, 0x94);
    check_refused(&memo_bomb, "makes more than");
    let mut tensors = one_tensor();
    tensors.truncate(tensors.len() - 2);
    tensors.extend(b"q\x01");
    tensors.extend(b"X\x01\x00\x00\x00bh\x01".repeat(MAX_TENSORS + 1));
    tensors.extend(b"u.");
    check_refused(&tensors, "names more than");
    check_refused(&vec![b'N'; MAX_PICKLE_BYTES + 1], "takes less than");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_state_dict(&bytes);
    }

    #[test]
    fn arbitrary_programs_never_panic(
        ops in prop::collection::vec(prop::sample::select(
            b"N\x88\x89K\x01M()t\x85\x86\x87]}aesu01q\x00hRbQ\x94\x93.".to_vec()
        ), 0..80)
    ) {
        let _ = read_state_dict(&[one_tensor(), ops.clone()].concat());
        let _ = read_state_dict(&ops);
    }

    #[test]
    fn flipped_bytes_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut pickle = one_tensor();
        let at = at.index(pickle.len());
        pickle[at] = byte;
        let _ = read_state_dict(&pickle);
        pickle.truncate(at);
        prop_assert!(read_state_dict(&pickle).is_err());
    }
}
