use std::collections::BTreeMap;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::store::burn_pack::{Error as PackError, Tensor as PackTensor};
use burn::tensor::{BoolStore, Bytes, DType, Shape};
use earmark_fs::AtomicFile;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::ErrorKind;

/// More than any model needs: a header of a thousand tensors has 100 kB.
const MOST_HEADER: u64 = 16 << 20;
/// Objects in a header, one for each tensor: each takes a microsecond and a kilobyte, and none of the file's data.
const MOST_TENSORS: usize = 1 << 16;
/// Bytes of a tensor's name.
const MOST_NAME: usize = 1 << 10;

/// The tensors of a `.safetensors` file, each read when it is asked for.
///
/// Not mapped into memory, as burn-store does: the pages of the file would count beside the tensors made of them, twice the
/// model at the peak, and a file that shrinks meanwhile would end the process. Reading takes no longer.
pub(crate) fn open(path: &Path) -> Result<BTreeMap<String, PackTensor>, ErrorKind> {
    let broken = |why: String| ErrorKind::BrokenWeights(why);
    let mut file = earmark_fs::open(path)?;
    let size = file.metadata()?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length)
        .map_err(|_| broken(format!("it has only {size} bytes, too few for the length of a header")))?;
    let length = u64::from_le_bytes(length);
    if length > size.saturating_sub(8) {
        return Err(broken(format!("its header claims {length} bytes, but the file has only {size}")));
    }
    if length > MOST_HEADER {
        return Err(broken(format!("its header has {length} bytes; the limit is {MOST_HEADER}")));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header)?;
    if header.iter().filter(|byte| **byte == b'{').count() > MOST_TENSORS {
        return Err(broken(format!("its header lists more tensors than the limit of {MOST_TENSORS}")));
    }
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|e| broken(format!("invalid header: {e}")))?;

    let start = 8 + length;
    let (infos, mut next) = (metadata.tensors(), 0);
    if let Some(name) = infos.keys().find(|name| name.len() > MOST_NAME) {
        let name = earmark_config::shown(name);
        return Err(broken(format!(
            "the name of a tensor, `{name}`, is longer than the limit of {MOST_NAME} bytes"
        )));
    }
    for name in metadata.offset_keys() {
        next = check(infos[&name], next).map_err(|why| broken(format!("`{name}` {why}")))?;
    }
    if start + next as u64 != size {
        return Err(broken(format!(
            "its header describes {} bytes, but the file has {size}",
            start + next as u64
        )));
    }

    let file = Arc::new(Mutex::new(file));
    let tensors = infos.into_iter().map(|(name, info)| {
        let dtype = dtype(info.dtype)
            .ok_or_else(|| broken(format!("`{name}` has dtype {:?}, which is not supported", info.dtype)))?;
        let (file, (from, to)) = (Arc::clone(&file), info.data_offsets);
        let read = move || {
            let read = |bytes: &mut [u8]| {
                // Nothing of the file is left half read by a panic: each reader seeks first.
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(start + from as u64))
                    .and_then(|_| file.read_exact(bytes))
                    .map_err(|e| PackError::IoError(e.to_string()))
            };
            if dtype == DType::F32 {
                // As the numbers that they are, for burn copies what is not aligned like them.
                let mut values = vec![0.0_f32; (to - from) / size_of::<f32>()];
                read(bytemuck::cast_slice_mut(&mut values))?;
                return Ok(Bytes::from_elems(values));
            }
            let mut bytes = vec![0; to - from];
            read(&mut bytes)?;
            Ok(Bytes::from_bytes_vec(bytes))
        };
        let shape = Shape::from(info.shape.clone());
        Ok((name.clone(), PackTensor::deferred(name, dtype, shape, None, to - from, read)))
    });
    tensors.collect()
}

/// Writes a `.safetensors` file, whole or not at all: each tensor's name, its shape and its numbers, `f32` or whole, which are read
/// from where they are when it is their turn.
///
/// # Errors
/// When a tensor cannot be read or is not what its shape says, and when the file cannot be written.
pub(crate) fn write(
    path: &Path,
    mut tensors: Vec<(String, Vec<usize>, PackTensor)>,
) -> Result<(), ErrorKind> {
    let failed = |why: String| ErrorKind::NotWritten(why);
    tensors.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    let mut end = 0;
    let infos = tensors.iter().map(|(name, shape, tensor)| {
        let start = end;
        end += shape.iter().product::<usize>() * tensor.dtype.size();
        let dtype = if tensor.dtype == DType::I64 { Dtype::I64 } else { Dtype::F32 };
        (name.clone(), TensorInfo { dtype, shape: shape.clone(), data_offsets: (start, end) })
    });
    let format = [("format".to_owned(), "pt".to_owned())].into();
    let metadata = Metadata::new(Some(format), infos.collect()).map_err(|e| failed(e.to_string()))?;
    let mut header = serde_json::to_vec(&metadata)?;
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut file = BufWriter::new(AtomicFile::create(path)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    for (name, shape, tensor) in tensors {
        let expected = shape.iter().product::<usize>() * tensor.dtype.size();
        let bytes = tensor.into_bytes().map_err(|e| failed(format!("`{name}` cannot be read: {e}")))?;
        if bytes.len() != expected {
            return Err(failed(format!(
                "`{name}` has {} bytes, but its shape {shape:?} needs {expected}",
                bytes.len()
            )));
        }
        file.write_all(&bytes)?;
    }
    file.into_inner().map_err(|error| error.into_error())?.commit()?;
    Ok(())
}

/// Where the next tensor begins, if this one begins at `start` and is as long as its shape says.
fn check(info: &TensorInfo, start: usize) -> Result<usize, String> {
    let (from, to) = info.data_offsets;
    let numbers = info.shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
    let bits = numbers.and_then(|numbers| numbers.checked_mul(info.dtype.bitsize()));
    match bits {
        Some(bits) if from == start && to >= from && bits.is_multiple_of(8) && to - from == bits / 8 => {
            Ok(to)
        }
        _ => Err(format!("of shape {:?} does not fit its byte range, {from} to {to}", info.shape)),
    }
}

fn dtype(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U64 => DType::U64,
        Dtype::U32 => DType::U32,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool(BoolStore::Native),
        _ => return None,
    })
}
