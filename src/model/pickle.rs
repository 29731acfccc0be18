//! Reads the tensor table out of a pickled state dict without running any of it.
//!
//! A pickle is a program for a stack machine whose `REDUCE` calls whatever
//! Python function the file names. This machine knows the three functions and
//! the storage classes that `torch.save` writes for a dict of tensors; any
//! other name ends the reading. Values are plain copies in flat arenas, so
//! nesting costs no recursion, neither when read nor when dropped.
//!
//! Opcodes: CPython `Lib/pickletools.py`. What torch writes: `torch/_utils.py`
//! (`_rebuild_tensor_v2`), `torch/serialization.py` (`persistent_id`).

use std::collections::HashMap;

use crate::model::checkpoint::{TensorDType, shown};

mod primitives;
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

/// Keys under which trainers wrap the state dict in a larger dict.
const WRAPPERS: [&str; 3] = ["state_dict", "model", "module"];

/// What the pickle says about one tensor. Nothing in it has been compared with
/// the file yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickledTensor<'a> {
    /// The key in the state dict.
    pub name: &'a str,
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
/// under `state_dict`, `model` or `module` is unwrapped.
///
/// # Errors
/// The reason as one line: a callable that is refused, a malformed or
/// over-large pickle, or something other than a dict of tensors.
pub fn read_state_dict(bytes: &[u8]) -> Result<Vec<PickledTensor<'_>>, String> {
    if bytes.len() > MAX_PICKLE_BYTES {
        return Err(format!(
            "is {} bytes long; a table of tensors takes less than {MAX_PICKLE_BYTES}",
            bytes.len()
        ));
    }
    let mut machine = Machine::new(bytes);
    let top = machine
        .run()
        .map_err(|reason| format!("byte {}: {reason}", machine.op_at))?;
    machine.state_dict(top)
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
                return Err(format!(
                    "opcode {op:#04x} is not one that a checkpoint's pickle uses; refused"
                ));
            }
        }
    }

    fn literal(&mut self, op: u8) -> Result<bool, String> {
        let value = match op {
            b'N' => Value::None,
            0x88 | 0x89 => Value::Bool,
            b'J' => Value::Int(i32::from_le_bytes(self.array()?).into()),
            b'K' => Value::Int(self.byte()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.array()?).into()),
            0x8a => Value::Int(self.long()?),
            b'G' => {
                self.take(8)?;
                Value::Float
            }
            b'X' | b'T' => {
                let len = u32::from_le_bytes(self.array()?);
                self.text(len as usize)?
            }
            0x8c | b'U' => {
                let len = self.byte()?;
                self.text(len.into())?
            }
            _ => return Ok(false),
        };
        self.push(value)?;
        Ok(true)
    }

    fn memo_op(&mut self, op: u8) -> Result<bool, String> {
        match op {
            b'q' => {
                let slot = self.byte()?;
                self.remember(slot.into())?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.remember(slot)?;
            }
            0x94 => {
                // At most MAX_VALUES entries, so the length fits.
                let slot = self.memo.len() as u32;
                self.remember(slot)?;
            }
            b'h' => {
                let slot = self.byte()?.into();
                self.recall(slot)?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.recall(slot)?;
            }
            // PROTO and FRAME frame the program and do nothing to its values.
            0x80 => match self.byte()? {
                0..=5 => {}
                protocol => return Err(format!("pickle protocol {protocol} is not known")),
            },
            0x95 => {
                self.take(8)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn container_op(&mut self, op: u8) -> Result<bool, String> {
        match op {
            b'(' => {
                self.count(1)?;
                self.marks.push(self.stack.len());
            }
            b')' => self.tuple(self.stack.len())?,
            b't' => {
                let from = self.mark()?;
                self.tuple(from)?;
            }
            0x85..=0x87 => {
                let n_items = usize::from(op - 0x84);
                let from = self.stack.len().checked_sub(n_items);
                self.tuple(from.ok_or("takes more values than there are")?)?;
            }
            b']' => self.push(Value::List)?,
            b'}' => self.new_dict()?,
            b'a' => {
                self.pop()?;
                self.list()?;
            }
            b'e' => {
                let from = self.mark()?;
                self.stack.truncate(from);
                self.list()?;
            }
            b's' => {
                let from = self.stack.len().checked_sub(2);
                self.set_items(from.ok_or("takes more values than there are")?)?;
            }
            b'u' => {
                let from = self.mark()?;
                self.set_items(from)?;
            }
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                let from = self.mark()?;
                self.stack.truncate(from);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn object_op(&mut self, op: u8) -> Result<bool, String> {
        match op {
            b'c' | b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let callable = Callable::named(module, name)?;
                if op == b'i' {
                    return Err("calls a Python class by INST; refused".into());
                }
                self.push(Value::Callable(callable))?;
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Str(name), Value::Str(module)) => {
                    let callable = Callable::named(module, name)?;
                    self.push(Value::Callable(callable))?;
                }
                _ => return Err("a callable's name is not text".into()),
            },
            b'Q' => self.persistent()?,
            b'R' => self.reduce()?,
            b'b' => {
                // Attributes of an OrderedDict (`_metadata`): of no use here.
                self.pop()?;
                match self.stack.last() {
                    Some(Value::Dict(_)) => {}
                    _ => return Err("sets attributes of something other than a dict".into()),
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn persistent(&mut self) -> Result<(), String> {
        const WANT: &str = "a storage reference is not (\"storage\", type, key, device, size)";
        let id = self.pop()?;
        let storage = match self.items(id).ok_or(WANT)? {
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
            _ => return Err(WANT.into()),
        };
        self.storages.push(storage);
        self.push(Value::Storage(PickledStorageId(self.storages.len() - 1)))
    }

    fn reduce(&mut self) -> Result<(), String> {
        let (args, callable) = (self.pop()?, self.pop()?);
        let items = self
            .items(args)
            .ok_or("calls with something other than a tuple")?;
        match (callable, items) {
            (Value::Callable(Callable::OrderedDict), []) => self.new_dict(),
            (Value::Callable(Callable::RebuildParameter), [Value::Tensor(tensor), ..]) => {
                let tensor = *tensor;
                self.push(Value::Tensor(tensor))
            }
            (
                Value::Callable(Callable::RebuildTensor),
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
            (Value::Callable(_), _) => {
                Err("calls a known function with arguments that torch.save does not write".into())
            }
            _ => Err("calls something that is not a function".into()),
        }
    }

    fn rebuild(&mut self, tensor: Rebuilt) -> Result<(), String> {
        if tensor.shape.1 != tensor.strides.1 || tensor.shape.1 > MAX_DIMS {
            return Err(format!(
                "a tensor has {} sizes and {} strides; both must be equal and at most {MAX_DIMS}",
                tensor.shape.1, tensor.strides.1
            ));
        }
        if self.tensors.len() == MAX_TENSORS {
            return Err(format!("describes more than {MAX_TENSORS} tensors"));
        }
        self.tensors.push(tensor);
        self.push(Value::Tensor(self.tensors.len() - 1))
    }

    /// The named tensors of the dict `top`, or of the one wrapped in it.
    fn state_dict(&self, top: Value<'a>) -> Result<Vec<PickledTensor<'a>>, String> {
        let Value::Dict(outer) = top else {
            return Err("holds no dict of named tensors; save model.state_dict()".into());
        };
        let wrapped = self.dicts[outer].iter().find_map(|entry| match entry {
            (Value::Str(key), Value::Dict(inner)) if WRAPPERS.contains(key) => Some(*inner),
            _ => None,
        });
        let mut named = Vec::new();
        for (key, value) in &self.dicts[wrapped.unwrap_or(outer)] {
            let Value::Tensor(tensor) = value else {
                continue;
            };
            let Value::Str(name) = key else {
                return Err("a tensor's name is not text".into());
            };
            if named.len() == MAX_TENSORS {
                return Err(format!("names more than {MAX_TENSORS} tensors"));
            }
            let tensor = &self.tensors[*tensor];
            let sizes = |range| {
                self.sizes(range)
                    .map_err(|reason| format!("tensor {}: {reason}", shown(name)))
            };
            named.push(PickledTensor {
                name,
                storage: self.storages[tensor.storage.0],
                offset: tensor.offset,
                shape: sizes(tensor.shape)?,
                strides: sizes(tensor.strides)?,
            });
        }
        Ok(named)
    }

    fn sizes(&self, (start, len): (usize, usize)) -> Result<Vec<usize>, String> {
        let int = |value: &Value<'_>| match value {
            Value::Int(int) => size_of_int(*int),
            _ => Err("a size or stride is not a number".into()),
        };
        self.pool[start..start + len].iter().map(int).collect()
    }
}
