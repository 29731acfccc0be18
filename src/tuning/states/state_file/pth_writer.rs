//! Writes what `torch.save` writes for a dict of tensors: a zip archive of
//! stored entries around a pickle of protocol 2 (`torch/serialization.py`).

use std::io::{self, Seek, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A tensor for the archive.
pub(super) struct PthTensor<'a> {
    pub(super) name: &'a str,
    pub(super) dtype: PthDType,
    pub(super) shape: [usize; 3],
    /// The elements, row-major, little-endian.
    pub(super) bytes: &'a [u8],
}

/// Where torch begins the data of each storage, in bytes.
const STORAGE_ALIGNMENT: u16 = 64;

/// Writes the archive of `tensors` to `file`. The same tensors give the same
/// bytes.
pub(super) fn write_archive(file: impl Write + Seek, tensors: &[PthTensor<'_>]) -> io::Result<()> {
    let mut zip = ZipWriter::new(file);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .with_alignment(STORAGE_ALIGNMENT);
    zip.start_file("archive/data.pkl", options)?;
    zip.write_all(&pickle(tensors)?)?;
    zip.start_file("archive/byteorder", options)?;
    zip.write_all(b"little")?;
    for (key, tensor) in tensors.iter().enumerate() {
        zip.start_file(format!("archive/data/{key}"), options)?;
        zip.write_all(tensor.bytes)?;
    }
    zip.start_file("archive/version", options)?;
    zip.write_all(b"3\n")?;
    zip.finish()?;
    Ok(())
}

/// The dict of tensors. Opcodes as in CPython `Lib/pickletools.py`.
fn pickle(tensors: &[PthTensor<'_>]) -> io::Result<Vec<u8>> {
    let mut out = b"\x80\x02}(".to_vec();
    for (key, tensor) in tensors.iter().enumerate() {
        let [_, rows, columns] = tensor.shape;
        text(&mut out, tensor.name)?;
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage")?;
        out.extend(match tensor.dtype {
            PthDType::F32 => b"ctorch\nFloatStorage\n".as_slice(),
            PthDType::BF16 => b"ctorch\nBFloat16Storage\n".as_slice(),
        });
        text(&mut out, &key.to_string())?;
        text(&mut out, "cpu")?;
        int(&mut out, tensor.shape.iter().product())?;
        // Offset 0; sizes; strides; no gradient; no hooks.
        out.extend(b"tQK\x00");
        ints(&mut out, &tensor.shape)?;
        ints(&mut out, &[rows * columns, columns, 1])?;
        out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    out.extend(b"u.");
    Ok(out)
}

fn text(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let len = u32::try_from(text.len()).map_err(io::Error::other)?;
    out.push(b'X');
    out.extend(len.to_le_bytes());
    out.extend(text.as_bytes());
    Ok(())
}

fn int(out: &mut Vec<u8>, int: usize) -> io::Result<()> {
    let int = i32::try_from(int).map_err(io::Error::other)?;
    out.push(b'J');
    out.extend(int.to_le_bytes());
    Ok(())
}

fn ints(out: &mut Vec<u8>, values: &[usize; 3]) -> io::Result<()> {
    for value in values {
        int(out, *value)?;
    }
    out.push(0x87);
    Ok(())
}

/// The element type of a `.pth` state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum PthDType {
    /// Exact. Every program that loads states converts it.
    #[default]
    F32,
    /// Half the size and 8 bits of mantissa, as RWKV-PEFT saves.
    BF16,
}
