//! `earmark merge`: the results of a job that several processes shared.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use earmark_fs::AtomicFile;
use serde::Deserialize;

use crate::args::output::OutputArgs;
use crate::exit::Done;
use crate::output::messages;
use crate::output::results::format::Format;

const EXAMPLES: &str = "\
Examples:
  # two processes, on one machine or on two
  earmark classify recordings --shard 1/2 -o part-1.csv --model ./model
  earmark classify recordings --shard 2/2 -o part-2.csv --model ./model
  earmark merge part-1.csv part-2.csv -o all.csv";

/// The longest row that is read. An embedding of frames is no row of a table.
const MOST_ROW: u64 = 64 << 20;

/// Join the results of a job that --shard divided.
///
/// The result is the file that the same command without --shard writes, byte for byte. It takes csv and jsonl; Parquet needs no
/// merging, as what reads it (polars, DuckDB, Spark) takes many files as one table. A part does not know how many there were: that
/// the last one is missing shows in the number of inputs alone.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The result of --shard 1/N, that of 2/N, and so on: all N of them, in this order.
    #[arg(value_name = "PART", required = true)]
    parts: Vec<PathBuf>,

    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) fn run(args: &Args) -> Result<Done> {
    args.output.check()?;
    let mut parts = args.parts.iter().map(|file| Part::open(file)).collect::<Result<Vec<_>>>()?;
    let header = parts[0].header.clone();
    if let Some(other) = parts.iter().find(|part| part.header != header) {
        let (first, other) = (args.parts[0].display(), other.file.display());
        bail!("`{other}` has not the columns of `{first}`: they are of different jobs");
    }
    let output = args.output.path();
    if Format::of_name(output) != Some(parts[0].format) {
        let (output, first) = (output.display(), args.parts[0].display());
        bail!("`{output}` would hold what `{first}` does: give --output the same ending");
    }
    let writing = || format!("cannot write `{}`", output.display());
    let mut out = BufWriter::new(AtomicFile::create(output).with_context(writing)?);
    out.write_all(&header).with_context(writing)?;

    let (mut seen, mut inputs) = (HashSet::new(), 0);
    let (mut last, mut sorted, mut part_sorted) = (vec![String::new(); parts.len()], true, true);
    loop {
        let part = inputs % parts.len();
        let Some(path) = parts[part].write_input(&mut out).with_context(writing)? else { break };
        if !seen.insert(path.clone()) {
            bail!("`{}` is in two parts: name each part once", path.escape_debug());
        }
        let before = inputs.checked_sub(1).map(|before| &last[before % parts.len()]);
        sorted &= before.is_none_or(|before| Path::new(before) < Path::new(&path));
        part_sorted &= Path::new(&last[part]) < Path::new(&path);
        last[part] = path;
        inputs += 1;
    }
    if part_sorted && !sorted {
        messages::warning(
            "the inputs of each part are sorted, and those of all are not: are the parts in the order of their numbers?",
        );
    }
    // The one whose turn it was is at its end, so the others are as well.
    if let Some(longer) = parts.iter().find(|part| part.next.is_some()) {
        let shorter = args.parts[inputs % parts.len()].display();
        bail!(
            "`{}` has more inputs than `{shorter}`, and --shard gives none of them more than one before it: name all the parts of one \
             job, in the order of their numbers",
            longer.file.display()
        );
    }
    let file = out.into_inner().map_err(std::io::IntoInnerError::into_error);
    file.and_then(AtomicFile::commit).with_context(writing)?;
    messages::note(format_args!("{inputs} inputs of {} parts", parts.len()));
    Ok(Done::Well)
}

/// A part, and its first row that is not written yet.
struct Part {
    file: PathBuf,
    input: BufReader<std::fs::File>,
    format: Format,
    /// As it stands in the file; empty where there is none.
    header: Vec<u8>,
    next: Option<Row>,
    number: usize,
}

struct Row {
    path: String,
    /// With the end of its last line.
    bytes: Vec<u8>,
}

impl Part {
    fn open(file: &Path) -> Result<Part> {
        let name = file.display();
        let format = match Format::of_name(file) {
            Some(format @ (Format::Csv | Format::Jsonl)) => format,
            _ => bail!("`{name}` is neither csv nor jsonl, which are what can be merged"),
        };
        let input = earmark_fs::open(file).with_context(|| format!("cannot read `{name}`"))?;
        let (input, file) = (BufReader::new(input), file.to_path_buf());
        let mut part = Part { file, input, format, header: Vec::new(), next: None, number: 0 };
        if format == Format::Csv {
            part.header = part.row()?;
            if !part.header.starts_with(b"path,") {
                bail!("`{name}` is not a result of a job over files: its first column is not `path`");
            }
        }
        part.advance()?;
        Ok(part)
    }

    /// Writes the rows of the next input, and returns its path.
    fn write_input(&mut self, out: &mut impl Write) -> Result<Option<String>> {
        let Some(Row { path, bytes }) = self.next.take() else { return Ok(None) };
        out.write_all(&bytes)?;
        self.advance()?;
        while let Some(row) = self.next.take_if(|row| row.path == path) {
            out.write_all(&row.bytes)?;
            self.advance()?;
        }
        Ok(Some(path))
    }

    fn advance(&mut self) -> Result<()> {
        let bytes = self.row()?;
        if bytes.is_empty() {
            return Ok(());
        }
        let path = match self.format {
            Format::Csv => csv_path(&bytes),
            _ => json_path(&bytes),
        };
        match path {
            Some(path) => self.next = Some(Row { path, bytes }),
            None => bail!("`{}`: row {} is not a row of a result", self.file.display(), self.number),
        }
        Ok(())
    }

    /// A row as it stands there; in csv what is quoted may have ends of lines in it.
    fn row(&mut self) -> Result<Vec<u8>> {
        let doing = || format!("cannot read `{}`", self.file.display());
        let mut bytes = Vec::new();
        self.number += 1;
        let mut quotes = 0;
        loop {
            let before = bytes.len();
            let left = MOST_ROW - before as u64;
            let read = (&mut self.input).take(left).read_until(b'\n', &mut bytes).with_context(doing)?;
            quotes += bytes[before..].iter().filter(|&&byte| byte == b'"').count();
            let is_open = self.format == Format::Csv && quotes % 2 == 1;
            let is_cut = read == 0 || bytes.last() != Some(&b'\n');
            if is_cut && !bytes.is_empty() {
                let why = if bytes.len() as u64 == MOST_ROW { "too long" } else { "cut off" };
                bail!("`{}`: row {} is {why}", self.file.display(), self.number);
            }
            if is_cut || !is_open {
                return Ok(bytes);
            }
        }
    }
}

fn csv_path(row: &[u8]) -> Option<String> {
    let mut rows = csv::ReaderBuilder::new().has_headers(false).from_reader(row).into_records();
    Some(rows.next()?.ok()?.get(0)?.to_owned())
}

fn json_path(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Line {
        path: String,
    }
    Some(serde_json::from_slice::<Line>(line).ok()?.path)
}
