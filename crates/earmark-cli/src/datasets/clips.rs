//! The clips of a dataset one by one, from the disk or as they are fetched.

use earmark_data::{AudioDataset, Example, Stream};

/// Clips in order, wherever they come from.
pub(crate) enum Clips {
    Local(Box<dyn Iterator<Item = Result<Example, earmark_data::Error>>>),
    Stream(Box<Stream>),
}

impl Clips {
    /// Those of a dataset that is here.
    pub(crate) fn of(dataset: AudioDataset) -> Clips {
        Clips::Local(Box::new(dataset.clips.into_iter().map(|clip| {
            Ok(Example {
                audio: clip.bytes()?,
                name: clip.name,
                label: Some(clip.label),
                fields: clip.fields,
            })
        })))
    }
}

impl Iterator for Clips {
    type Item = Result<Example, earmark_data::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Clips::Local(clips) => clips.next(),
            Clips::Stream(stream) => stream.next(),
        }
    }
}
