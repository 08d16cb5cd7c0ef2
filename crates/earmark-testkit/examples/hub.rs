//! A loopback Hub for other programs: prints its address, and answers until its standard input ends.
//!
//! The token `hf_loopback_write` is that of the user `earmark`, who may write. The argument `xet` makes it offer Xet, a number is the
//! size of the parts that large files are taken in. For each line of input it prints how many files, or parts of the Xet storage, it
//! has sent and taken, after it has committed the files below FOLDER if the line is `add REPO REVISION FOLDER`: `models/owner/name` or
//! `datasets/owner/name`, and a branch or the hash that the commit shall have.
use std::fs;
use std::io::BufRead as _;
use std::path::Path;

use earmark_testkit::hub::LoopbackHub;

fn main() {
    let mut hub = LoopbackHub::start();
    hub.add_token("hf_loopback_write", "earmark", true);
    let argument = std::env::args().nth(1);
    let by_xet = argument.as_deref() == Some("xet");
    match argument {
        Some(_) if by_xet => hub.offer_xet(),
        Some(size) => hub.set_part_size(size.parse().expect("a part's size is a number")),
        None => {}
    }
    println!("{}", hub.url());
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line of text");
        if let ["add", repo, revision, folder] = line.splitn(4, ' ').collect::<Vec<_>>()[..] {
            let mut files = Vec::new();
            read_below(Path::new(folder), "", &mut files);
            let files: Vec<(&str, &[u8])> =
                files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
            hub.add_at(repo, revision, &files);
        }
        let (mut sent, mut taken) = (hub.storage().count("GET"), hub.storage().count("PUT"));
        if by_xet {
            let requests = hub.xet().requests();
            sent += requests.iter().filter(|it| it.path.starts_with("/xorb/")).count();
            taken += requests.iter().filter(|it| it.path.starts_with("/v1/xorbs/")).count();
        }
        println!("{sent} {taken}");
    }
}

/// The files below a folder, by their paths there.
fn read_below(folder: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("its entry");
        let name = format!("{prefix}{}", entry.file_name().to_str().expect("a name of text"));
        if entry.path().is_dir() {
            read_below(&entry.path(), &format!("{name}/"), files);
        } else {
            files.push((name, fs::read(entry.path()).expect("a file")));
        }
    }
}
