//! What the stack machine's stack holds: small copies, never a Python object.

use crate::model::checkpoint::{TensorDType, shown};

#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    None,
    Bool,
    Int(i64),
    Float,
    Str(&'a str),
    /// `len` values of the pool from `start`.
    Tuple {
        start: usize,
        len: usize,
    },
    /// Its items are of no use here and are dropped.
    List,
    /// Index into `dicts`.
    Dict(usize),
    Callable(Callable),
    Storage(PickledStorageId),
    /// Index into `tensors`.
    Tensor(usize),
}

/// Index into `storages`.
#[derive(Clone, Copy, Debug)]
pub(super) struct PickledStorageId(pub(super) usize);

#[derive(Clone, Copy, Debug)]
pub(super) enum Callable {
    RebuildTensor,
    RebuildParameter,
    OrderedDict,
    Storage(TensorDType),
}

impl Callable {
    /// The function or class of that name, if it is one that is known.
    pub(super) fn named(module: &str, name: &str) -> Result<Self, String> {
        match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") => Ok(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Ok(Self::RebuildParameter),
            ("collections", "OrderedDict") => Ok(Self::OrderedDict),
            ("torch", "HalfStorage") => Ok(Self::Storage(TensorDType::F16)),
            ("torch", "BFloat16Storage") => Ok(Self::Storage(TensorDType::BF16)),
            ("torch", "FloatStorage") => Ok(Self::Storage(TensorDType::F32)),
            ("torch", "DoubleStorage") => Ok(Self::Storage(TensorDType::F64)),
            ("torch", "LongStorage") => Ok(Self::Storage(TensorDType::I64)),
            ("torch", "IntStorage") => Ok(Self::Storage(TensorDType::I32)),
            ("torch", "ShortStorage") => Ok(Self::Storage(TensorDType::I16)),
            ("torch", "CharStorage") => Ok(Self::Storage(TensorDType::I8)),
            ("torch", "ByteStorage") => Ok(Self::Storage(TensorDType::U8)),
            ("torch", "BoolStorage") => Ok(Self::Storage(TensorDType::Bool)),
            _ => Err(format!(
                "refers to the Python callable {}.{}, which a checkpoint has no need of; refused",
                shown(module),
                shown(name)
            )),
        }
    }
}

/// A tensor whose name is not known yet; shape and strides are pool ranges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rebuilt {
    pub(super) storage: PickledStorageId,
    pub(super) offset: usize,
    pub(super) shape: (usize, usize),
    pub(super) strides: (usize, usize),
}
