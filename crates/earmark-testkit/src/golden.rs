use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};

/// A `.safetensors` file of expected values, read whole.
///
/// Every accessor panics with the file and key named: a golden that does not open is a broken test, not a case.
#[derive(Debug)]
pub struct Golden {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Golden {
    /// Reads the file; panics when it is missing or not safetensors.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_path_buf();
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("golden `{}`: {e}", path.display()));
        let golden = Golden { path, bytes };
        golden.file();
        golden
    }

    /// Whether the file has this key.
    pub fn has(&self, key: &str) -> bool {
        self.file().tensor(key).is_ok()
    }

    /// Every key, sorted.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.file().names().into_iter().map(str::to_owned).collect();
        keys.sort();
        keys
    }

    /// The shape stored under `key`.
    #[track_caller]
    pub fn shape(&self, key: &str) -> Vec<usize> {
        self.view(key, |view| view.shape().to_vec())
    }

    /// The values under `key` as `f32`, whatever their dtype in the file.
    #[track_caller]
    pub fn f32s(&self, key: &str) -> Vec<f32> {
        self.f64s(key).into_iter().map(|x| x as f32).collect()
    }

    /// The values under `key` as `f64`, whatever their dtype in the file.
    #[track_caller]
    pub fn f64s(&self, key: &str) -> Vec<f64> {
        self.view(key, |view| {
            let bytes = view.data();
            match view.dtype() {
                Dtype::F32 => each(bytes, |b| f32::from_le_bytes(b).into()),
                Dtype::F64 => each(bytes, f64::from_le_bytes),
                Dtype::I64 => each(bytes, |b| i64::from_le_bytes(b) as f64),
                Dtype::I32 => each(bytes, |b| i32::from_le_bytes(b).into()),
                Dtype::U8 | Dtype::BOOL => bytes.iter().map(|&b| b.into()).collect(),
                other => panic!("golden `{}`: `{key}` is {other:?}", self.path.display()),
            }
        })
    }

    fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes)
            .unwrap_or_else(|e| panic!("golden `{}`: {e}", self.path.display()))
    }

    #[track_caller]
    fn view<T>(&self, key: &str, read: impl FnOnce(&safetensors::tensor::TensorView<'_>) -> T) -> T {
        match self.file().tensor(key) {
            Ok(view) => read(&view),
            Err(e) => panic!("golden `{}`: `{key}`: {e}", self.path.display()),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (chunks, rest) = bytes.as_chunks::<N>();
    assert!(rest.is_empty(), "safetensors checks that a tensor holds whole numbers");
    chunks.iter().map(|c| read(*c)).collect()
}
