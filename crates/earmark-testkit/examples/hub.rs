//! A loopback Hub for other programs: prints its address, and answers until its standard input ends.
//!
//! The token `hf_loopback_write` is that of the user `earmark`, who may write. An argument is the size of the parts that
//! large files are taken in. For each line of input it prints how many files the storage has sent and taken.
use std::io::BufRead as _;

use earmark_testkit::hub::LoopbackHub;

fn main() {
    let hub = LoopbackHub::start();
    hub.add_token("hf_loopback_write", "earmark", true);
    if let Some(size) = std::env::args().nth(1) {
        hub.set_part_size(size.parse().expect("a part's size is a number"));
    }
    println!("{}", hub.url());
    for _ in std::io::stdin().lock().lines() {
        println!("{} {}", hub.storage().count("GET"), hub.storage().count("PUT"));
    }
}
