//! PyTorch's checkpoints: what one may ask of the reader that builds its objects is counted before any is built.
//!
//! A byte of a pickle can make an object of a hundred bytes, and a kilobyte of a zip archive a megabyte of pickle. This walks the
//! opcodes with a stack that holds nothing but how deep each object nests, and stops at the first limit. No opcode runs code,
//! here or in burn's reader.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, Read, Seek as _};
use std::path::Path;

use burn::store::burn_pack::Tensor as PackTensor;
use burn::store::{ModuleStore as _, PytorchStore};
use zip::ZipArchive;

use crate::error::ErrorKind;

/// Bytes of a pickle: a checkpoint of a thousand tensors has 200 kB.
const MOST_BYTES: u64 = 32 << 20;
/// Objects, marks and memo entries: a tensor takes some fifty.
const MOST_OBJECTS: usize = 1 << 19;
/// Bytes of text that copies of memoized objects and the tensors' names may come to, counted as if every text were the longest.
const MOST_TEXT: u64 = 512 << 20;
/// Containers within containers: a `state_dict` has five.
const MOST_NESTING: u8 = 64;

/// The tensors of a `.bin` file, each read when it is asked for.
pub(crate) fn open(path: &Path) -> Result<BTreeMap<String, PackTensor>, ErrorKind> {
    check(path)?;
    let mut store = PytorchStore::from_file(path);
    store.get_all_tensors().cloned().map_err(|error| broken(error.to_string()))
}

/// Refuses a checkpoint that would take more memory than any model's does.
///
/// # Errors
/// When it is no zip archive and no file of PyTorch 0.1.10 to 1.5, when its pickle is broken, or when it is beyond a limit.
fn check(path: &Path) -> Result<(), ErrorKind> {
    let mut file = earmark_fs::open(path)?;
    let mut header = Vec::new();
    file.by_ref().take(512).read_to_end(&mut header)?;
    file.rewind()?;
    let file = BufReader::new(file);
    if header.starts_with(b"PK\x03\x04") {
        let mut archive = ZipArchive::new(file).map_err(|e| broken(e.to_string()))?;
        let names = archive.file_names().collect::<Result<Vec<_>, _>>().map_err(|e| broken(e.to_string()))?;
        let mut pickles = names.iter().filter(|name| **name == "data.pkl" || name.ends_with("/data.pkl"));
        let (name, other) = (pickles.next().map(ToString::to_string), pickles.next());
        let (Some(name), None) = (name, other) else {
            return Err(broken("the archive does not hold exactly one `data.pkl`".to_owned()));
        };
        let entry = archive.by_name(&name).map_err(|e| broken(e.to_string()))?;
        Scan::new(BufReader::new(entry)).pickle()
    } else if is_legacy(&header) {
        // The magic number, the version, the system, the objects, the storages' names; then come the storages.
        let mut scan = Scan::new(file);
        (0..5).try_for_each(|_| scan.pickle())
    } else {
        Err(broken(
            "not a PyTorch checkpoint: neither a zip archive nor the format of PyTorch 0.1.10 to 1.5"
                .to_owned(),
        ))
    }
}

fn broken(why: String) -> ErrorKind {
    ErrorKind::BrokenWeights(why)
}

fn beyond(what: &str, most: impl std::fmt::Display) -> ErrorKind {
    broken(format!("its pickle {what}; the limit is {most}"))
}

/// Whether the file begins with the magic number of PyTorch before 1.6, in any protocol.
fn is_legacy(header: &[u8]) -> bool {
    const BINARY: &[u8] = &[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
    const TEXT: &[u8] = b"119547037146038801333356";
    let start = &header[..header.len().min(64)];
    [BINARY, TEXT].iter().any(|magic| start.windows(magic.len()).any(|window| window == *magic))
}

/// An object: how deep it nests, and where it is memoized.
#[derive(Clone, Copy)]
struct Slot {
    depth: u8,
    memo: Option<u32>,
}

struct Scan<R> {
    reader: R,
    bytes: u64,
    objects: usize,
    longest: u64,
    text: u64,
    deepest: u8,
    stack: Vec<Slot>,
    marks: Vec<usize>,
    memo: HashMap<u32, u8>,
}

impl<R: BufRead> Scan<R> {
    fn new(reader: R) -> Scan<R> {
        Scan {
            reader,
            bytes: 0,
            objects: 0,
            longest: 0,
            text: 0,
            deepest: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// One pickle, up to its STOP.
    fn pickle(&mut self) -> Result<(), ErrorKind> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        while self.opcode()? {}
        Ok(())
    }

    /// False after STOP. The names are those of `pickletools.py`.
    fn opcode(&mut self) -> Result<bool, ErrorKind> {
        match self.byte()? {
            b'.' => return Ok(false),                                        // STOP
            0x80 => self.skip(1)?,                                           // PROTO
            0x95 => self.skip(8)?,                                           // FRAME
            b'N' | 0x88 | 0x89 | b')' | b']' | b'}' | 0x8f => self.push(0)?, // None, booleans, empty containers
            b'I' | b'L' | b'F' | b'V' | b'P' => self.line().and_then(|()| self.push(0))?,
            b'J' => self.skip(4).and_then(|()| self.push(0))?, // BININT
            b'K' => self.skip(1).and_then(|()| self.push(0))?, // BININT1
            b'M' => self.skip(2).and_then(|()| self.push(0))?, // BININT2
            b'G' => self.skip(8).and_then(|()| self.push(0))?, // BINFLOAT
            0x8a | 0x8c | b'U' | b'C' => self.text::<1>()?,    // LONG1, SHORT_BINUNICODE, …
            0x8b | b'X' | b'T' | b'B' => self.text::<4>()?,    // LONG4, BINUNICODE, …
            0x8d | 0x8e | 0x96 => self.text::<8>()?,           // BINUNICODE8, …
            b'(' => {
                self.count()?;
                self.marks.push(self.stack.len());
            }
            b't' | b'l' | 0x91 | b'd' => {
                // TUPLE, LIST, FROZENSET, DICT
                let depth = self.pop_to_mark()?;
                self.push(depth + 1)?;
            }
            0x85 => self.wrap(1)?,                                          // TUPLE1
            0x86 => self.wrap(2)?,                                          // TUPLE2
            0x87 => self.wrap(3)?,                                          // TUPLE3
            b'a' => self.pop_many(1).and_then(|depth| self.extend(depth))?, // APPEND
            b's' => self.pop_many(2).and_then(|depth| self.extend(depth))?, // SETITEM
            b'e' | b'u' | 0x90 => self.pop_to_mark().and_then(|depth| self.extend(depth))?, // APPENDS, SETITEMS, ADDITEMS
            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()), // POP
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?), // POP_MARK
            b'2' => {
                // DUP
                let top = *self.top()?;
                self.charge(1)?;
                self.push(top.depth)?;
            }
            b'g' => self.index().and_then(|index| self.get(index))?, // GET
            b'h' => self.number::<1>().and_then(|index| self.get(index))?, // BINGET
            b'j' => self.number::<4>().and_then(|index| self.get(index))?, // LONG_BINGET
            b'p' => self.index().and_then(|index| self.put(index))?, // PUT
            b'q' => self.number::<1>().and_then(|index| self.put(index))?, // BINPUT
            b'r' => self.number::<4>().and_then(|index| self.put(index))?, // LONG_BINPUT
            0x94 => self.put(self.memo.len() as u64)?,               // MEMOIZE
            b'c' => {
                // GLOBAL
                self.line()?;
                self.line().and_then(|()| self.push(0))?;
            }
            0x93 | 0x81 => self.pop_many(2).and_then(|_| self.push(0))?, // STACK_GLOBAL, NEWOBJ
            0x92 => self.pop_many(3).and_then(|_| self.push(0))?,        // NEWOBJ_EX
            b'Q' => {
                // BINPERSID: a tensor's storage
                self.pop()?;
                self.charge(u64::from(self.deepest))?;
                self.push(0)?;
            }
            b'R' => {
                // REDUCE
                let arguments = self.pop()?;
                self.pop()?;
                self.push(arguments.depth)?;
            }
            b'b' => {
                // BUILD
                let (state, object) = (self.pop()?, self.pop()?);
                let depth = state.depth.max(object.depth);
                if let Some(index) = object.memo {
                    self.charge(1)?;
                    self.memo.insert(index, depth);
                }
                self.push(depth)?;
            }
            other => {
                return Err(broken(format!(
                    "its pickle has the opcode {other:#04x}, which no checkpoint needs"
                )));
            }
        }
        Ok(true)
    }

    /// Counts an object.
    fn count(&mut self) -> Result<(), ErrorKind> {
        self.objects += 1;
        match self.objects > MOST_OBJECTS {
            true => Err(beyond("makes more objects than any model has", MOST_OBJECTS)),
            false => Ok(()),
        }
    }

    /// Counts `copies` of the longest text.
    fn charge(&mut self, copies: u64) -> Result<(), ErrorKind> {
        self.text += copies * self.longest;
        match self.text > MOST_TEXT {
            true => Err(beyond("copies more text than any model has", format_args!("{MOST_TEXT} bytes"))),
            false => Ok(()),
        }
    }

    fn push(&mut self, depth: u8) -> Result<(), ErrorKind> {
        self.count()?;
        if depth > MOST_NESTING {
            return Err(beyond("nests its objects deeper than any model", MOST_NESTING));
        }
        self.deepest = self.deepest.max(depth);
        self.stack.push(Slot { depth, memo: None });
        Ok(())
    }

    fn pop(&mut self) -> Result<Slot, ErrorKind> {
        if self.marks.last() == Some(&self.stack.len()) {
            return Err(broken("its pickle pops an object where there is a mark".to_owned()));
        }
        self.stack.pop().ok_or_else(|| broken("its pickle pops an object from an empty stack".to_owned()))
    }

    /// The deepest of so many objects, taken.
    fn pop_many(&mut self, count: usize) -> Result<u8, ErrorKind> {
        (0..count).try_fold(0, |deepest, _| Ok(self.pop()?.depth.max(deepest)))
    }

    /// The deepest object above the last mark, all of them taken.
    fn pop_to_mark(&mut self) -> Result<u8, ErrorKind> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        let mark = mark.ok_or_else(|| broken("its pickle pops a mark that is not there".to_owned()))?;
        Ok(self.stack.drain(mark..).map(|slot| slot.depth).max().unwrap_or(0))
    }

    fn top(&mut self) -> Result<&mut Slot, ErrorKind> {
        self.stack.last_mut().ok_or_else(|| broken("its pickle uses an object of an empty stack".to_owned()))
    }

    fn wrap(&mut self, count: usize) -> Result<(), ErrorKind> {
        let depth = self.pop_many(count)?;
        self.push(depth + 1)
    }

    /// Puts objects that nest so deep into the container on top.
    fn extend(&mut self, depth: u8) -> Result<(), ErrorKind> {
        let top = self.pop()?;
        self.push(top.depth.max(depth + 1))?;
        self.top()?.memo = top.memo;
        Ok(())
    }

    fn get(&mut self, index: u64) -> Result<(), ErrorKind> {
        let depth = u32::try_from(index).ok().and_then(|index| self.memo.get(&index).copied());
        let depth = depth.ok_or_else(|| broken(format!("its pickle has no memo {index}")))?;
        self.charge(1 + u64::from(self.deepest))?;
        self.push(depth)
    }

    fn put(&mut self, index: u64) -> Result<(), ErrorKind> {
        self.count()?;
        self.charge(1)?;
        let index = u32::try_from(index)
            .map_err(|_| broken(format!("its pickle has memo {index}, which is out of range")))?;
        let top = self.top()?;
        top.memo = Some(index);
        let depth = top.depth;
        self.memo.insert(index, depth);
        Ok(())
    }

    fn read(&mut self, count: u64) -> Result<(), ErrorKind> {
        self.bytes += count;
        match self.bytes > MOST_BYTES {
            true => Err(beyond("is larger than any model's", format_args!("{MOST_BYTES} bytes"))),
            false => Ok(()),
        }
    }

    fn byte(&mut self) -> Result<u8, ErrorKind> {
        self.number::<1>().map(|byte| byte as u8)
    }

    /// A number of `N` bytes.
    fn number<const N: usize>(&mut self) -> Result<u64, ErrorKind> {
        self.read(N as u64)?;
        let mut bytes = [0; 8];
        self.reader.read_exact(&mut bytes[..N])?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn skip(&mut self, count: u64) -> Result<(), ErrorKind> {
        // A length may be anything.
        self.read(count.min(MOST_BYTES + 1))?;
        match io::copy(&mut self.reader.by_ref().take(count), &mut io::sink())? == count {
            true => Ok(()),
            false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }

    /// A text, or a number as long as one, behind its length of `N` bytes.
    fn text<const N: usize>(&mut self) -> Result<(), ErrorKind> {
        let length = self.number::<N>()?;
        self.longest = self.longest.max(length);
        self.skip(length)?;
        self.push(0)
    }

    /// A text up to the end of its line.
    fn line(&mut self) -> Result<(), ErrorKind> {
        self.read_line().map(drop)
    }

    fn read_line(&mut self) -> Result<Vec<u8>, ErrorKind> {
        let mut line = Vec::new();
        self.reader.by_ref().take(MOST_BYTES - self.bytes.min(MOST_BYTES)).read_until(b'\n', &mut line)?;
        self.read(line.len() as u64)?;
        self.longest = self.longest.max(line.len() as u64);
        match line.pop() {
            Some(b'\n') => Ok(line),
            _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }

    fn index(&mut self) -> Result<u64, ErrorKind> {
        let line = self.read_line()?;
        let index = std::str::from_utf8(&line).ok().and_then(|text| text.trim_end().parse().ok());
        index.ok_or_else(|| broken("its pickle has a memo that is not a number".to_owned()))
    }
}

#[cfg(test)]
#[path = "pickle_tests.rs"]
mod tests;
