//! What a table of vectors holds.

/// The columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    /// What each row is of.
    pub(crate) of: RowOf,
    /// The columns of vectors: `vector`, or one for each layer.
    pub(crate) vectors: Vec<String>,
}

/// What each row of a table is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowOf {
    /// A sound, a window or a frame: `path`, `start`, `end`.
    Sound,
    /// A sentence: `text`.
    Text,
}

impl Columns {
    /// One vector a row.
    pub(crate) fn one(of: RowOf) -> Columns {
        Columns { of, vectors: vec!["vector".to_owned()] }
    }

    /// A vector for each hidden state, of which there are so many.
    pub(crate) fn layers(count: usize) -> Columns {
        Columns { of: RowOf::Sound, vectors: (0..count).map(|layer| format!("layer_{layer}")).collect() }
    }

    /// The columns before the vectors.
    pub(super) fn names(&self) -> &'static [&'static str] {
        match self.of {
            RowOf::Sound => &["path", "start", "end"],
            RowOf::Text => &["text"],
        }
    }
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row<'a> {
    /// The path of a sound, or a sentence.
    pub(crate) name: &'a str,
    /// Where the window or the frame begins and ends, in seconds; `None` for a whole file.
    pub(crate) span: Option<(f64, f64)>,
    /// A vector for each column of them.
    pub(crate) vectors: Vec<&'a [f32]>,
}
