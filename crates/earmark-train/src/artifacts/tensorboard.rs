//! TensorBoard event files: what a run logs, where the tool people already have open can plot it.
//!
//! A file is a row of records, each a `tensorflow.Event` message framed as a TFRecord:
//!
//! ```text
//! u64 length | u32 masked crc32c(length) | message | u32 masked crc32c(message)      all little-endian
//! ```
//!
//! The messages below are the few fields we write of `event.proto`, `summary.proto` and `tensor.proto`
//! (tensorboard 2.21.0, `tensorboard/compat/proto`); field numbers are theirs.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;

/// Appends events to one new file in a folder.
///
/// Every call writes one whole record to the file, so a run that is killed loses nothing it has logged and TensorBoard
/// follows it live.
#[derive(Debug)]
pub struct EventWriter {
    file: File,
}

impl EventWriter {
    /// Starts the event file of a new run in `dir`, which is made if need be.
    ///
    /// # Errors
    ///
    /// When the folder or the file cannot be made or written.
    pub fn create(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        // Readers go through the files of a folder by name, so a newer file has to sort last whatever the clock says.
        let now = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        let stamp = latest_stamp(dir)?.map_or(now, |latest| now.max(latest.saturating_add(1)));
        let name = format!("events.out.tfevents.{stamp:010}.earmark.{}.0", std::process::id());
        let file = File::create_new(dir.join(name))?;
        let mut writer = Self { file };
        writer.write(SystemTime::now(), 0, What::FileVersion("brain.Event:2".into()))?;
        Ok(writer)
    }

    /// Starts another file in `dir` for a run that resumes after optimizer step `completed`. TensorBoard then ignores what earlier
    /// files have of later steps, logged before the run was killed.
    ///
    /// # Errors
    ///
    /// When the folder or the file cannot be made or written.
    pub fn resume(dir: &Path, completed: u64) -> io::Result<Self> {
        let mut writer = Self::create(dir)?;
        // The reader keeps events whose step is below that of the session's start.
        let first = completed.saturating_add(1);
        writer.write(SystemTime::now(), first, What::SessionLog(SessionLog { status: SessionLog::START }))?;
        Ok(writer)
    }

    /// Logs one point of the curve `tag`. A tag such as `train/loss` puts the curve into the section `train`.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f32, wall_time: SystemTime) -> io::Result<()> {
        self.summary(tag, step, wall_time, None, Content::SimpleValue(value))
    }

    /// Logs a text, which TensorBoard renders as Markdown.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn text(&mut self, tag: &str, step: u64, text: &str, wall_time: SystemTime) -> io::Result<()> {
        let plugin_data = PluginData { plugin_name: "text".into() };
        let tensor = Tensor { dtype: Tensor::STRING, shape: Some(Shape {}), strings: vec![text.into()] };
        let metadata = Metadata { plugin_data: Some(plugin_data) };
        self.summary(tag, step, wall_time, Some(metadata), Content::Tensor(tensor))
    }

    /// Logs a picture of `width` by `height` pixels, given as the bytes of a PNG file with 8-bit RGB pixels.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn image_png(
        &mut self,
        tag: &str,
        step: u64,
        (width, height): (u32, u32),
        png: &[u8],
        wall_time: SystemTime,
    ) -> io::Result<()> {
        let image = Image {
            height: i32::try_from(height).unwrap_or(i32::MAX),
            width: i32::try_from(width).unwrap_or(i32::MAX),
            colorspace: Image::RGB,
            encoded: png.into(),
        };
        self.summary(tag, step, wall_time, None, Content::Image(image))
    }

    fn summary(
        &mut self,
        tag: &str,
        step: u64,
        wall_time: SystemTime,
        metadata: Option<Metadata>,
        content: Content,
    ) -> io::Result<()> {
        let value = Value { tag: tag.into(), metadata, content: Some(content) };
        self.write(wall_time, step, What::Summary(Summary { values: vec![value] }))
    }

    fn write(&mut self, wall_time: SystemTime, step: u64, what: What) -> io::Result<()> {
        let wall_time = wall_time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64();
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        let message = Event { wall_time, step, what: Some(what) }.encode_to_vec();
        // One call to the system per record: a reader never sees half of one while we are alive.
        self.file.write_all(&record(&message))
    }
}

/// The largest time stamp among the event files of a folder.
fn latest_stamp(dir: &Path) -> io::Result<Option<u64>> {
    let mut latest = None;
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let stamp = name.to_str().and_then(|name| {
            let (_, rest) = name.split_once("tfevents.")?;
            rest.split('.').next()?.parse().ok()
        });
        latest = latest.max(stamp);
    }
    Ok(latest)
}

fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(message.len() + 16);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(message);
    record.extend(masked_crc(message).to_le_bytes());
    record
}

/// TFRecord masks its checksums, since a checksum over data that holds checksums is a weak one.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl SessionLog {
    const START: i32 = 1;
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(message, optional, tag = "9")]
    metadata: Option<Metadata>,
    #[prost(oneof = "Content", tags = "2, 4, 8")]
    content: Option<Content>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Content {
    #[prost(float, tag = "2")]
    SimpleValue(f32),
    #[prost(message, tag = "4")]
    Image(Image),
    #[prost(message, tag = "8")]
    Tensor(Tensor),
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    encoded: Vec<u8>,
}

impl Image {
    const RGB: i32 = 3;
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(message, optional, tag = "1")]
    plugin_data: Option<PluginData>,
}

#[derive(Clone, PartialEq, Message)]
struct PluginData {
    #[prost(string, tag = "1")]
    plugin_name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    strings: Vec<Vec<u8>>,
}

impl Tensor {
    const STRING: i32 = 7;
}

/// No dimensions: a scalar.
#[derive(Clone, PartialEq, Message)]
struct Shape {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folder's events in the order TensorBoard meets them, each record's checksums verified.
    fn read(dir: &Path) -> Vec<Event> {
        let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let mut events = vec![];
        for path in paths {
            assert!(path.to_str().unwrap().contains("tfevents"));
            let bytes = fs::read(path).unwrap();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
                let message = &rest[12..12 + length];
                assert_eq!(rest[8..12], masked_crc(&rest[..8]).to_le_bytes());
                assert_eq!(rest[12 + length..16 + length], masked_crc(message).to_le_bytes());
                events.push(Event::decode(message).unwrap());
                rest = &rest[16 + length..];
            }
        }
        events
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_empty_record_is_framed_as_tensorflow_frames_it() {
        // `masked_crc32c` of tensorboard 2.21.0 over eight zero bytes, and over nothing.
        assert_eq!(record(b"")[..8], [0; 8]);
        assert_eq!(record(b"")[12..], 0xa282_ead8_u32.to_le_bytes());
        assert_eq!(record(b"")[8..12], [41, 3, 152, 7]);
    }

    #[test]
    fn a_scalar_is_written_as_event_proto_says() {
        let dir = tempfile::tempdir().unwrap();
        EventWriter::create(dir.path()).unwrap().scalar("train/loss", 5, 1.5, at(1)).unwrap();
        let event = read(dir.path()).pop().unwrap();
        // As the Python messages of tensorboard 2.21.0 serialise the same event.
        assert_eq!(
            event.encode_to_vec(),
            b"\x09\x00\x00\x00\x00\x00\x00\xf0?\x10\x05*\x13\x0a\x11\x0a\x0atrain/loss\x15\x00\x00\xc0?"
        );
    }

    #[test]
    fn every_event_reaches_the_file_at_once_after_its_version() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = EventWriter::create(dir.path()).unwrap();
        writer.scalar("eval/accuracy", 6, 0.5, at(2)).unwrap();
        writer.text("recipe", 0, "lr = 5e-5", at(3)).unwrap();
        writer.image_png("confusion", 6, (2, 3), b"png", at(4)).unwrap();
        let events = read(dir.path()); // `writer` is still open.
        assert_eq!(events.len(), 4);
        assert_eq!(events[0].what, Some(What::FileVersion("brain.Event:2".into())));
        let tags = events[1..].iter().map(|event| match &event.what {
            Some(What::Summary(summary)) => (summary.values[0].tag.as_str(), event.step, event.wall_time),
            other => panic!("{other:?}"),
        });
        assert!(tags.eq([("eval/accuracy", 6, 2.0), ("recipe", 0, 3.0), ("confusion", 6, 4.0)]));
    }

    #[test]
    fn a_resumed_run_reads_after_the_first_and_drops_later_steps() {
        let dir = tempfile::tempdir().unwrap();
        // A file from a clock that was ahead must still be read first.
        let ahead = dir.path().join("events.out.tfevents.9000000000.earmark.1.0");
        fs::rename(first_file(dir.path()), ahead).unwrap();
        EventWriter::resume(dir.path(), 12).unwrap().scalar("loss", 13, 0.25, at(1)).unwrap();
        let events = read(dir.path());
        let start = What::SessionLog(SessionLog { status: SessionLog::START });
        let found = events.iter().position(|event| event.what == Some(start.clone())).unwrap();
        assert_eq!((found, events[found].step, events.len()), (2, 13, 4));
    }

    fn first_file(dir: &Path) -> std::path::PathBuf {
        drop(EventWriter::create(dir).unwrap());
        fs::read_dir(dir).unwrap().next().unwrap().unwrap().path()
    }
}
