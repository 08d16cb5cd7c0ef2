//! A loopback Hub for other programs: prints its address, and answers until its standard input ends.
//!
//! The token `hf_loopback_write` is that of the user `earmark`, who may write.
use std::io::Read as _;

use earmark_testkit::hub::LoopbackHub;

fn main() {
    let hub = LoopbackHub::start();
    hub.add_token("hf_loopback_write", "earmark", true);
    println!("{}", hub.url());
    // What is read does not matter: whoever started this holds the other end.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    for (name, server) in [("hub", hub.server()), ("storage", hub.storage())] {
        for request in server.requests() {
            println!("{name} {} {}", request.method, request.path.split('?').next().unwrap_or_default());
        }
    }
}
