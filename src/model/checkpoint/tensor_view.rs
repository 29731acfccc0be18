//! One tensor of a checkpoint, seen in place, and its conversion to `f32`.

use std::borrow::Cow;
use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt as _;
use rayon::prelude::*;

use super::blocks::BlockType;

/// The element type of a stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TensorDType {
    /// IEEE half precision.
    F16,
    /// The upper half of an `f32`.
    BF16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// Signed, 8 bytes.
    I64,
    /// Signed, 4 bytes.
    I32,
    /// Signed, 2 bytes.
    I16,
    /// Signed, 1 byte.
    I8,
    /// Unsigned, 1 byte.
    U8,
    /// One byte, 0 or 1.
    Bool,
    /// Quantised, in blocks.
    Blocks(BlockType),
}

impl TensorDType {
    /// Bytes of an element; of a block where there are blocks.
    pub fn n_bytes(self) -> usize {
        match self {
            Self::Blocks(block) => block.n_bytes(),
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::BF16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// Elements of a block; 1 for all that are stored on their own.
    pub fn n_in_block(self) -> usize {
        match self {
            Self::Blocks(block) => block.n_elements(),
            Self::F64
            | Self::I64
            | Self::F32
            | Self::I32
            | Self::F16
            | Self::BF16
            | Self::I16
            | Self::I8
            | Self::U8
            | Self::Bool => 1,
        }
    }

    /// Bytes of so many elements; none where no memory holds them, and where they
    /// are no whole blocks.
    pub(super) fn bytes_of(self, n_elements: usize) -> Option<usize> {
        let is_whole = n_elements.is_multiple_of(self.n_in_block());
        let n_blocks = n_elements / self.n_in_block();
        n_blocks.checked_mul(self.n_bytes()).filter(|_| is_whole)
    }

    /// Whether it holds floating-point numbers, as every weight and state does.
    pub fn is_float(self) -> bool {
        match self {
            Self::F16 | Self::BF16 | Self::F32 | Self::F64 | Self::Blocks(_) => true,
            Self::I64 | Self::I32 | Self::I16 | Self::I8 | Self::U8 | Self::Bool => false,
        }
    }

    /// The name as `.safetensors` spells it, such as `BF16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::F32 => "F32",
            Self::F64 => "F64",
            Self::I64 => "I64",
            Self::I32 => "I32",
            Self::I16 => "I16",
            Self::I8 => "I8",
            Self::U8 => "U8",
            Self::Bool => "BOOL",
            Self::Blocks(block) => block.name(),
        }
    }
}

/// A tensor inside the checkpoint's bytes; nothing is copied until it is
/// converted.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    /// The name in the checkpoint.
    pub name: &'a str,
    /// The element type.
    pub dtype: TensorDType,
    /// Sizes of the dimensions.
    pub shape: &'a [usize],
    /// The elements, little-endian, of any alignment: product of `shape` times
    /// [`TensorDType::n_bytes`] bytes, and for blocks that part of it.
    bytes: &'a [u8],
    /// Whether the two dimensions have changed places in `bytes`.
    is_transposed: bool,
}

/// Stored columns of a transposed matrix that are put in order at a time.
const COLUMNS: usize = 16;

/// Elements that one thread converts at a time: whole blocks of every type.
const PARALLEL_BLOCK: usize = 1 << 16;

/// Elements converted at a time when the file's bytes are not aligned.
const BLOCK: usize = 1024;

impl<'a> TensorView<'a> {
    /// Elements of `shape` at `bytes`, row-major and little-endian.
    pub fn new(name: &'a str, dtype: TensorDType, shape: &'a [usize], bytes: &'a [u8]) -> Self {
        Self {
            name,
            dtype,
            shape,
            bytes,
            is_transposed: false,
        }
    }

    /// The same bytes with the two dimensions in the other order: they hold the
    /// transpose of the matrix of `shape`.
    pub(super) fn transposed(self) -> Self {
        let is_transposed = self.shape.len() == 2;
        Self {
            is_transposed,
            ..self
        }
    }

    /// The elements as they are, row-major, little-endian, of any alignment:
    /// [`TensorDType::n_bytes`] for each. None where the file has them otherwise:
    /// in blocks or transposed.
    pub fn plain_bytes(&self) -> Option<&'a [u8]> {
        let is_plain = !self.is_transposed && self.dtype.n_in_block() == 1;
        is_plain.then_some(self.bytes)
    }

    /// As [`Self::plain_bytes`], put in order where they are transposed; none
    /// where they are in blocks.
    pub fn ordered_bytes(&self) -> Option<Cow<'a, [u8]>> {
        if self.dtype.n_in_block() > 1 {
            return None;
        }
        // A shape with a zero may have any other number beside it.
        if !self.is_transposed || self.bytes.is_empty() {
            return Some(Cow::Borrowed(self.bytes));
        }
        let (size, [n_rows, n_columns]) = (self.dtype.n_bytes(), self.matrix_shape());
        let mut ordered = Vec::with_capacity(self.bytes.len());
        for row in 0..n_rows {
            for column in 0..n_columns {
                let at = (column * n_rows + row) * size;
                ordered.extend_from_slice(&self.bytes[at..at + size]);
            }
        }
        Some(Cow::Owned(ordered))
    }

    /// The bytes that hold the elements, in the order of the file.
    pub fn stored_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many elements the tensor has.
    pub fn n_elements(&self) -> usize {
        self.bytes.len() / self.dtype.n_bytes() * self.dtype.n_in_block()
    }

    /// The elements as `f32`, row-major. `f64` and large integers are rounded.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.n_elements()];
        self.write_f32(&mut values);
        values
    }

    /// [`Self::to_f32`] into memory that exists already.
    ///
    /// # Panics
    /// When `out` has another length than [`Self::n_elements`].
    pub fn write_f32(&self, out: &mut [f32]) {
        assert_eq!(out.len(), self.n_elements(), "elements of {}", self.name);
        if self.is_transposed {
            self.write_transposed_rows(0..self.matrix_shape()[0], out);
        } else {
            widen(self.dtype, self.bytes, out);
        }
    }

    /// The elements of some rows as `f32`: all that share their first index.
    ///
    /// # Panics
    /// When the tensor has no such rows, and when `out` has another length than
    /// they have.
    pub fn write_f32_rows(&self, rows: Range<usize>, out: &mut [f32]) {
        let n_rows = self.shape.first().map_or(1, |rows| *rows);
        let of_row = self.n_elements() / n_rows.max(1);
        assert!(rows.end <= n_rows, "row {} of {}", rows.end, self.name);
        assert_eq!(out.len(), rows.len() * of_row, "rows of {}", self.name);
        if self.is_transposed {
            return self.write_transposed_rows(rows, out);
        }
        let Some(n_bytes) = self.dtype.bytes_of(of_row) else {
            // A row begins within a block.
            let all = self.to_f32();
            return out.copy_from_slice(&all[rows.start * of_row..rows.end * of_row]);
        };
        let bytes = &self.bytes[rows.start * n_bytes..rows.end * n_bytes];
        widen(self.dtype, bytes, out);
    }

    fn matrix_shape(&self) -> [usize; 2] {
        self.shape.try_into().unwrap_or_default()
    }

    /// [`Self::write_f32_rows`] of a matrix whose columns are stored one after the
    /// other.
    fn write_transposed_rows(&self, rows: Range<usize>, out: &mut [f32]) {
        if self.bytes.is_empty() {
            return;
        }
        let [n_rows, n_columns] = self.matrix_shape();
        let Some(n_bytes) = self.dtype.bytes_of(n_rows) else {
            unreachable!("a matrix is stored in rows of whole blocks");
        };
        let mut lines = vec![0.0; COLUMNS.min(n_columns) * n_rows];
        for first in (0..n_columns).step_by(COLUMNS) {
            let n_lines = COLUMNS.min(n_columns - first);
            let bytes = &self.bytes[first * n_bytes..(first + n_lines) * n_bytes];
            widen_block(self.dtype, bytes, &mut lines[..n_lines * n_rows]);
            for (row, out) in rows.clone().zip(out.chunks_exact_mut(n_columns)) {
                for (line, value) in out[first..first + n_lines].iter_mut().enumerate() {
                    *value = lines[line * n_rows + row];
                }
            }
        }
    }
}

/// Converts `bytes` to as many numbers, with several threads where that pays.
fn widen(dtype: TensorDType, bytes: &[u8], out: &mut [f32]) {
    if out.len() < 2 * PARALLEL_BLOCK {
        return widen_block(dtype, bytes, out);
    }
    let n_bytes = PARALLEL_BLOCK / dtype.n_in_block() * dtype.n_bytes();
    let blocks = bytes.par_chunks(n_bytes);
    let out = out.par_chunks_mut(PARALLEL_BLOCK);
    blocks
        .zip(out)
        .for_each(|(bytes, out)| widen_block(dtype, bytes, out));
}

fn widen_block(dtype: TensorDType, bytes: &[u8], out: &mut [f32]) {
    match dtype {
        TensorDType::F16 => f16_to_f32(bytes, out),
        TensorDType::BF16 => convert(bytes, out, |bytes| {
            f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
        }),
        TensorDType::F32 => convert(bytes, out, f32::from_le_bytes),
        TensorDType::F64 => convert(bytes, out, |bytes| f64::from_le_bytes(bytes) as f32),
        TensorDType::I64 => convert(bytes, out, |bytes| i64::from_le_bytes(bytes) as f32),
        TensorDType::I32 => convert(bytes, out, |bytes| i32::from_le_bytes(bytes) as f32),
        TensorDType::I16 => convert(bytes, out, |bytes| i16::from_le_bytes(bytes).into()),
        TensorDType::I8 => convert(bytes, out, |bytes| i8::from_le_bytes(bytes).into()),
        TensorDType::U8 | TensorDType::Bool => {
            convert(bytes, out, |bytes: [u8; 1]| bytes[0].into());
        }
        TensorDType::Blocks(block) => block.write_f32(bytes, out),
    }
}

fn convert<const LEN: usize>(bytes: &[u8], out: &mut [f32], one: impl Fn([u8; LEN]) -> f32) {
    let (elements, _) = bytes.as_chunks::<LEN>();
    for (value, element) in out.iter_mut().zip(elements) {
        *value = one(*element);
    }
}

fn f16_to_f32(bytes: &[u8], out: &mut [f32]) {
    if cfg!(target_endian = "little")
        && let Ok(halves) = bytemuck::try_cast_slice::<u8, f16>(bytes)
    {
        halves.convert_to_f32_slice(out);
        return;
    }
    let mut block = [f16::ZERO; BLOCK];
    for (bytes, out) in bytes.chunks(2 * BLOCK).zip(out.chunks_mut(BLOCK)) {
        let halves = &mut block[..out.len()];
        let (elements, _) = bytes.as_chunks::<2>();
        for (half, element) in halves.iter_mut().zip(elements) {
            *half = f16::from_le_bytes(*element);
        }
        halves.convert_to_f32_slice(out);
    }
}

/// The longest part of a foreign name that a message repeats, in characters.
const SHOWN_CHARS: usize = 80;

/// A name from a file as it may stand in a message: on one line, not too long.
pub(crate) fn shown(name: &str) -> String {
    let mut chars = name.chars();
    let head = chars.by_ref().take(SHOWN_CHARS).collect::<String>();
    let dots = if chars.next().is_some() { "…" } else { "" };
    format!("{}{dots}", head.escape_debug())
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    fn view(dtype: TensorDType, bytes: &[u8]) -> TensorView<'_> {
        TensorView::new("x", dtype, &[], bytes)
    }

    #[test]
    fn every_half_converts_alike_at_any_alignment() {
        let bits: Vec<u16> = (0..=u16::MAX).collect();
        for shift in 0..2 {
            let mut bytes = vec![0; shift];
            bytes.extend(bits.iter().flat_map(|bits| bits.to_le_bytes()));
            let halves = view(TensorDType::F16, &bytes[shift..]).to_f32();
            let brains = view(TensorDType::BF16, &bytes[shift..]).to_f32();
            for (index, bits) in bits.iter().enumerate() {
                let want = f16::from_bits(*bits).to_f32();
                assert!(want.is_nan() && halves[index].is_nan() || want == halves[index]);
                let want = bf16::from_bits(*bits).to_f32();
                assert!(want.is_nan() && brains[index].is_nan() || want == brains[index]);
            }
        }
    }

    #[test]
    fn the_other_types_convert_by_value() {
        let check = |dtype, bytes: &[u8], want: &[f32]| {
            assert_eq!(view(dtype, bytes).to_f32(), want, "{dtype:?}");
        };
        check(TensorDType::F32, &1.5_f32.to_le_bytes(), &[1.5]);
        check(TensorDType::F64, &(-2.5_f64).to_le_bytes(), &[-2.5]);
        check(TensorDType::I64, &(-3_i64).to_le_bytes(), &[-3.0]);
        check(TensorDType::I32, &70_000_i32.to_le_bytes(), &[70_000.0]);
        check(TensorDType::I16, &(-300_i16).to_le_bytes(), &[-300.0]);
        check(TensorDType::I8, &[0xff, 1], &[-1.0, 1.0]);
        check(TensorDType::U8, &[0xff, 1], &[255.0, 1.0]);
        check(TensorDType::Bool, &[1, 0], &[1.0, 0.0]);
    }

    #[test]
    fn a_transposed_matrix_is_read_by_rows() {
        // [20, 3], of which the columns are stored one after the other.
        let value = |row: usize, column: usize| (100 * row + column) as f32;
        let places = (0..3).flat_map(|column| (0..20).map(move |row| (row, column)));
        let bytes: Vec<u8> = places
            .flat_map(|(row, column)| value(row, column).to_le_bytes())
            .collect();
        let view = TensorView::new("x", TensorDType::F32, &[20, 3], &bytes).transposed();
        let want: Vec<f32> = (0..60).map(|i| value(i / 3, i % 3)).collect();
        assert_eq!(view.to_f32(), want);
        let mut rows = [0.0; 9];
        view.write_f32_rows(17..20, &mut rows);
        assert_eq!(rows, want[51..]);
        let ordered = view.ordered_bytes().unwrap();
        let ordered = TensorView::new("x", TensorDType::F32, &[20, 3], &ordered);
        assert_eq!(ordered.to_f32(), want);
        assert_eq!(view.plain_bytes(), None);
        for shape in [[1 << 60, 0], [0, 1 << 60]] {
            let empty = TensorView::new("x", TensorDType::F32, &shape, &[]).transposed();
            assert!(empty.to_f32().is_empty());
            assert!(empty.ordered_bytes().unwrap().is_empty());
        }
        assert_eq!(ordered.plain_bytes().map(<[u8]>::len), Some(240));
    }
}
