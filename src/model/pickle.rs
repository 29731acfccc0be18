//! Reads the tensor table out of a pickled state dict without running any of it.
//!
//! A pickle is a program for a stack machine whose `REDUCE` calls whatever
//! Python function the file names. This machine knows the functions and classes
//! that `torch.load(weights_only=True)` takes for tensors and plain values, runs
//! none of them, and keeps of the plain values only that they are there; any
//! other name ends the reading. Values are plain copies in flat arenas, so
//! nesting costs no recursion, neither when read nor when dropped.
//!
//! Opcodes: CPython `Lib/pickletools.py`. What torch writes: `torch/_utils.py`
//! (`_rebuild_tensor_v2`), `torch/serialization.py` (`persistent_id`). What it
//! takes without running code: `torch/_weights_only_unpickler.py`.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::language;
use crate::model::checkpoint::{TensorDType, shown};

mod opcodes;
mod primitives;
mod state_dict;
#[cfg(test)]
pub(crate) mod tests;
mod value;

use primitives::size_of_int;
use value::{Callable, PickledStorageId, Rebuilt, Value};

/// The largest pickle that is read, in bytes. The tensor table of the largest
/// public RWKV-7 (61 layers) takes about 0.3 MB.
pub const MAX_PICKLE_BYTES: usize = 16 << 20;

/// The most values a pickle may make in total: stack, memo and containers.
/// The largest public RWKV-7 needs about 0.1 million.
const MAX_VALUES: usize = 1 << 20;

/// The most tensors a pickle may describe.
const MAX_TENSORS: usize = 1 << 16;

/// The most dimensions of a tensor.
const MAX_DIMS: usize = 8;

/// What the pickle says about one tensor. Nothing in it has been compared with
/// the file yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickledTensor<'a> {
    /// The key in the state dict; in a list the place, from 0.
    pub name: Cow<'a, str>,
    /// The storage that holds the elements.
    pub storage: PickledStorage<'a>,
    /// Index of the first element in the storage, in elements.
    pub offset: usize,
    /// Sizes of the dimensions.
    pub shape: Vec<usize>,
    /// Steps of the dimensions in the storage, in elements.
    pub strides: Vec<usize>,
}

/// A reference to a storage, which is the archive's entry `data/{key}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PickledStorage<'a> {
    /// The element type.
    pub dtype: TensorDType,
    /// The last part of the entry's name.
    pub key: &'a str,
    /// How many elements the storage has.
    pub n_elements: usize,
}

/// The tensors of the state dict pickled in `bytes`, in the order of the file.
/// Values that are not tensors are left out. A dict that holds the state dict
/// under a key that trainers use is unwrapped. The tensors of a list are named by
/// their place.
///
/// # Errors
/// The reason as one line: a callable that is refused, a malformed or
/// over-large pickle, or something other than a dict or list of tensors.
pub fn read_state_dict(bytes: &[u8]) -> Result<Vec<PickledTensor<'_>>, String> {
    if bytes.len() > MAX_PICKLE_BYTES {
        return Err(tr!(
            "is {} bytes long; a table of tensors takes less than {MAX_PICKLE_BYTES}",
            bytes.len(),
            MAX_PICKLE_BYTES
        ));
    }
    let mut machine = Machine::new(bytes);
    let top = machine
        .run()
        .map_err(|reason| tr!("byte {}: {reason}", machine.op_at, reason))?;
    machine.state_dict(top)
}

/// What a file of torch before 1.6 holds in front of its elements.
pub struct OldTable<'a> {
    /// The tensors of its state dict.
    pub tensors: Vec<PickledTensor<'a>>,
    /// Key and element type of every storage, in the order of the file.
    pub storages: Vec<(&'a str, TensorDType)>,
    /// Where the storages begin.
    pub end: usize,
}

/// Reads the pickles of a file of torch before 1.6: a number, the version, the
/// machine, the state dict, the keys of the storages (`torch/serialization.py`,
/// `_legacy_save`).
///
/// # Errors
/// As [`read_state_dict`], and a big-endian machine.
pub fn read_old_table(bytes: &[u8]) -> Result<OldTable<'_>, String> {
    let mut at = 0;
    let mut next = || {
        let rest = &bytes[at..];
        let mut machine = Machine::new(&rest[..rest.len().min(MAX_PICKLE_BYTES)]);
        let top = machine.run();
        let top = top.map_err(|reason| tr!("byte {}: {reason}", at + machine.op_at, reason))?;
        at += machine.at;
        Ok::<_, String>((machine, top))
    };
    next()?;
    next()?;
    let (machine, _) = next()?;
    if is_big_endian(machine.bytes) {
        return Err(
            tr!("was saved on a big-endian machine; load it there and save .safetensors").into(),
        );
    }
    let (states, top) = next()?;
    let (keys, listed) = next()?;
    let Value::List(listed) = listed else {
        return Err(tr!("the keys of the storages are not a list; the file is damaged").into());
    };
    let dtype_of = |key: &str| {
        let mut storages = states.storages.iter();
        Some(storages.find(|storage| storage.key == key)?.dtype)
    };
    let storages = keys.lists[listed].iter().map(|key| match key {
        Value::Str(key) => dtype_of(key).map(|dtype| (*key, dtype)).ok_or_else(|| {
            tr!(
                "the storage {} belongs to no tensor; the file is damaged",
                shown(key)
            )
        }),
        _ => Err(tr!("the key of a storage is not text; the file is damaged").into()),
    });
    Ok(OldTable {
        tensors: states.state_dict(top)?,
        storages: storages.collect::<Result<_, String>>()?,
        end: at,
    })
}

/// What a pickled dict says of the machine that wrote it; its truth values are not
/// kept.
fn is_big_endian(pickle: &[u8]) -> bool {
    const KEY: &[u8] = b"little_endian";
    let found = pickle.windows(KEY.len()).position(|it| it == KEY);
    let Some(behind) = found.map(|at| &pickle[at + KEY.len()..]) else {
        return false;
    };
    // The key may be remembered before its value follows, which is False.
    let value = match behind {
        [b'q', _, value, ..] | [value, ..] => *value,
        [] => 0,
    };
    value == 0x89
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the current opcode is, for messages.
    op_at: usize,
    n_values: usize,
    stack: Vec<Value<'a>>,
    /// Heights of the stack at each `MARK`.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    pool: Vec<Value<'a>>,
    dicts: Vec<Vec<(Value<'a>, Value<'a>)>>,
    lists: Vec<Vec<Value<'a>>>,
    storages: Vec<PickledStorage<'a>>,
    tensors: Vec<Rebuilt>,
}

impl<'a> Machine<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            op_at: 0,
            n_values: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            pool: Vec::new(),
            dicts: Vec::new(),
            lists: Vec::new(),
            storages: Vec::new(),
            tensors: Vec::new(),
        }
    }

    /// Runs to `STOP`.
    fn run(&mut self) -> Result<Value<'a>, String> {
        loop {
            self.op_at = self.at;
            let op = self.byte()?;
            if op == b'.' {
                return self.pop();
            }
            let known = self.literal(op)?
                || self.memo_op(op)?
                || self.container_op(op)?
                || self.object_op(op)?;
            if !known {
                return Err(tr!(
                    "opcode {op} is not one that a checkpoint's pickle uses; refused",
                    op = format_args!("{op:#04x}")
                ));
            }
        }
    }

    fn persistent(&mut self) -> Result<(), String> {
        const WANT: &str =
            mark!("a storage reference is not (\"storage\", type, key, device, size)");
        let id = self.pop()?;
        // Before 1.6 they end with which part of another storage it is: none.
        let items = match self.items(id).ok_or_else(|| language::text(WANT))? {
            [items @ .., Value::Plain] => items,
            items => items,
        };
        let storage = match items {
            [
                Value::Str("storage"),
                Value::Callable(Callable::Storage(dtype)),
                Value::Str(key),
                Value::Str(_),
                Value::Int(n_elements),
            ] => PickledStorage {
                dtype: *dtype,
                key,
                n_elements: size_of_int(*n_elements)?,
            },
            _ => return Err(language::text(WANT).into()),
        };
        self.storages.push(storage);
        self.push(Value::Storage(PickledStorageId(self.storages.len() - 1)))
    }

    fn reduce(&mut self) -> Result<(), String> {
        let (args, callable) = (self.pop()?, self.pop()?);
        match (callable, args) {
            (Value::Callable(callable), args) => self.call(callable, args),
            (_, Value::Tuple { .. }) => Err(tr!("calls something that is not a function").into()),
            _ => Err(tr!("calls with something other than a tuple").into()),
        }
    }

    fn call(&mut self, callable: Callable, args: Value<'a>) -> Result<(), String> {
        let items = self
            .items(args)
            .ok_or_else(|| tr!("calls with something other than a tuple"))?;
        match (callable, items) {
            (Callable::OrderedDict, []) => self.new_dict(),
            (Callable::Size, [sizes @ Value::Tuple { .. }]) => {
                let sizes = *sizes;
                self.push(sizes)
            }
            (Callable::Plain, _) => self.push(Value::Plain),
            (Callable::RebuildParameter, [Value::Tensor(tensor), ..]) => {
                let tensor = *tensor;
                self.push(Value::Tensor(tensor))
            }
            (
                Callable::RebuildTensor,
                [
                    Value::Storage(storage),
                    Value::Int(offset),
                    Value::Tuple { start, len },
                    Value::Tuple {
                        start: strides_start,
                        len: strides_len,
                    },
                    ..,
                ],
            ) => {
                let rebuilt = Rebuilt {
                    storage: *storage,
                    offset: size_of_int(*offset)?,
                    shape: (*start, *len),
                    strides: (*strides_start, *strides_len),
                };
                self.rebuild(rebuilt)
            }
            // A tensor with attributes: the call that makes it, and those.
            (
                Callable::RebuildFromType,
                [
                    Value::Callable(inner @ (Callable::RebuildTensor | Callable::RebuildParameter)),
                    Value::Callable(Callable::TensorClass),
                    inner_args,
                    _,
                ],
            ) => {
                let (inner, inner_args) = (*inner, *inner_args);
                self.call(inner, inner_args)
            }
            _ => Err(
                tr!("calls a known function with arguments that torch.save does not write").into(),
            ),
        }
    }

    fn rebuild(&mut self, tensor: Rebuilt) -> Result<(), String> {
        if tensor.shape.1 != tensor.strides.1 || tensor.shape.1 > MAX_DIMS {
            return Err(tr!(
                "a tensor has {} sizes and {} strides; both must be equal and at most \
                 {MAX_DIMS}",
                tensor.shape.1,
                tensor.strides.1,
                MAX_DIMS
            ));
        }
        if self.tensors.len() == MAX_TENSORS {
            return Err(tr!(
                "describes more than {MAX_TENSORS} tensors",
                MAX_TENSORS
            ));
        }
        self.tensors.push(tensor);
        self.push(Value::Tensor(self.tensors.len() - 1))
    }
}
