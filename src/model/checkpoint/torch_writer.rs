//! Writes what `torch.save` writes for a dict of tensors: a zip archive of
//! stored entries around a pickle of protocol 2 (`torch/serialization.py`).

use std::io::{self, Seek, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::TensorDType;

/// A tensor for the archive.
pub(crate) struct PthTensor<'a> {
    pub(crate) name: &'a str,
    /// F32, F16, BF16 or F64.
    pub(crate) dtype: TensorDType,
    /// One to three sizes.
    pub(crate) shape: &'a [usize],
}

/// Where torch begins the data of each storage, in bytes.
const STORAGE_ALIGNMENT: u16 = 64;

/// From this size on an entry needs the longer fields of zip64.
const LARGE: u64 = 1 << 32;

/// Writes the archive of `tensors` to `file`; `write` writes the elements of the
/// one at a place, row-major and little-endian. The same tensors give the same
/// bytes.
pub(crate) fn write_archive<W: Write + Seek>(
    file: W,
    tensors: &[PthTensor<'_>],
    mut write: impl FnMut(usize, &mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut zip = ZipWriter::new(file);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .with_alignment(STORAGE_ALIGNMENT);
    zip.start_file("archive/data.pkl", options)?;
    zip.write_all(&pickle(tensors)?)?;
    zip.start_file("archive/byteorder", options)?;
    zip.write_all(b"little")?;
    for (key, tensor) in tensors.iter().enumerate() {
        let n_bytes = tensor.shape.iter().product::<usize>() * tensor.dtype.n_bytes();
        let options = options.large_file(n_bytes as u64 >= LARGE);
        zip.start_file(format!("archive/data/{key}"), options)?;
        write(key, &mut zip)?;
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
        text(&mut out, tensor.name)?;
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage")?;
        out.extend(match tensor.dtype {
            TensorDType::F32 => b"ctorch\nFloatStorage\n".as_slice(),
            TensorDType::BF16 => b"ctorch\nBFloat16Storage\n".as_slice(),
            TensorDType::F16 => b"ctorch\nHalfStorage\n".as_slice(),
            TensorDType::F64 => b"ctorch\nDoubleStorage\n".as_slice(),
            other => return Err(io::Error::other(tr!("no storage of {}", other.name()))),
        });
        text(&mut out, &key.to_string())?;
        text(&mut out, "cpu")?;
        int(&mut out, tensor.shape.iter().product())?;
        // Offset 0; sizes; strides; no gradient; no hooks.
        out.extend(b"tQK\x00");
        ints(&mut out, tensor.shape)?;
        let strides = (1..=tensor.shape.len()).map(|from| tensor.shape[from..].iter().product());
        ints(&mut out, &strides.collect::<Vec<_>>())?;
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

/// A tuple of one to three.
fn ints(out: &mut Vec<u8>, values: &[usize]) -> io::Result<()> {
    for value in values {
        int(out, *value)?;
    }
    out.push(match values.len() {
        1 => 0x85,
        2 => 0x86,
        3 => 0x87,
        n => return Err(io::Error::other(tr!("{n} dimensions", n))),
    });
    Ok(())
}
