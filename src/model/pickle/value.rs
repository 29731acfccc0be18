//! What the stack machine's stack holds: small copies, never a Python object.

use crate::language;
use crate::model::checkpoint::{TensorDType, shown};

#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// A value that is there and of no use: None, a bool, a float, bytes, a set,
    /// an element type, a device.
    Plain,
    Int(i64),
    Str(&'a str),
    /// `len` values of the pool from `start`.
    Tuple {
        start: usize,
        len: usize,
    },
    /// Index into `lists`.
    List(usize),
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
    /// Of a tensor with attributes, by one of the two above.
    RebuildFromType,
    TensorClass,
    OrderedDict,
    /// `torch.Size`, which is its tuple.
    Size,
    /// Makes a value of no use here.
    Plain,
    Storage(TensorDType),
}

/// What to run for a file that holds more than plain values. `weights_only=False`
/// runs what the file says, so the choice is the user's.
const CONVERT: &str = mark!(
    "if you trust it, run in Python: d = torch.load(FILE, map_location='cpu', \
     weights_only=False); d = d.get('state_dict', d.get('module', d)); \
     torch.save({k: v for k, v in d.items() if torch.is_tensor(v)}, NEW)"
);

/// The attributes of `torch` that are plain values: its element types, layouts
/// aside, which are made by a function.
const TORCH_VALUES: [&str; 47] = [
    "bfloat16",
    "bcomplex32",
    "bits16",
    "bits1x8",
    "bits2x4",
    "bits4x2",
    "bits8",
    "bool",
    "complex128",
    "complex32",
    "complex64",
    "float16",
    "float32",
    "float4_e2m1fn_x2",
    "float64",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "int1",
    "int16",
    "int2",
    "int3",
    "int32",
    "int4",
    "int5",
    "int6",
    "int64",
    "int7",
    "int8",
    "per_channel_affine",
    "per_channel_affine_float_qparams",
    "per_channel_symmetric",
    "per_tensor_affine",
    "per_tensor_symmetric",
    "uint1",
    "uint16",
    "uint2",
    "uint3",
    "uint32",
    "uint4",
    "uint5",
    "uint6",
    "uint64",
    "uint7",
    "uint8",
];

impl Callable {
    /// The function, class or value of that name, if it is one that is known.
    pub(super) fn named<'a>(module: &str, name: &str) -> Result<Value<'a>, String> {
        // Protocol 2 names built-in functions as Python 2 did.
        let module = match module {
            "__builtin__" => "builtins",
            other => other,
        };
        let callable = match (module, name) {
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Self::RebuildParameter
            }
            ("torch._tensor", "_rebuild_from_type_v2") => Self::RebuildFromType,
            ("torch", "Tensor") | ("torch.nn.parameter", "Parameter") => Self::TensorClass,
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch", "Size") => Self::Size,
            ("torch", "device")
            | ("torch.serialization", "_get_layout")
            | ("collections", "Counter")
            | ("_codecs", "encode")
            | ("builtins", "bytearray" | "complex" | "set") => Self::Plain,
            ("torch", "HalfStorage") => Self::Storage(TensorDType::F16),
            ("torch", "BFloat16Storage") => Self::Storage(TensorDType::BF16),
            ("torch", "FloatStorage") => Self::Storage(TensorDType::F32),
            ("torch", "DoubleStorage") => Self::Storage(TensorDType::F64),
            ("torch", "LongStorage") => Self::Storage(TensorDType::I64),
            ("torch", "IntStorage") => Self::Storage(TensorDType::I32),
            ("torch", "ShortStorage") => Self::Storage(TensorDType::I16),
            ("torch", "CharStorage") => Self::Storage(TensorDType::I8),
            ("torch", "ByteStorage") => Self::Storage(TensorDType::U8),
            ("torch", "BoolStorage") => Self::Storage(TensorDType::Bool),
            ("torch", value) if TORCH_VALUES.contains(&value) => return Ok(Value::Plain),
            _ => {
                return Err(tr!(
                    "refers to the Python callable {}.{}, which a checkpoint has no need of; \
                     refused; {CONVERT}",
                    shown(module),
                    shown(name),
                    CONVERT = language::text(CONVERT)
                ));
            }
        };
        Ok(Value::Callable(callable))
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
