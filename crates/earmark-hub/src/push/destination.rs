//! Where a file may be sent.

use std::net::{IpAddr, Ipv4Addr};

use reqwest::Url;

/// Whether a file may be sent to `address`: by https to a host of the internet, or to the endpoint's own host no less
/// securely than requests to the endpoint. The error is the rule that it breaks.
///
/// The Hub's answer names the address. A compromised Hub must not make this machine send files into its private network, or
/// unencrypted.
pub(crate) fn check_destination(endpoint: &Url, address: &Url) -> Result<(), &'static str> {
    let secure = match address.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err("which is not a web address"),
    };
    if address.host() == endpoint.host() && (secure || endpoint.scheme() == "http") {
        Ok(())
    } else if !secure {
        Err("which is neither https nor the Hub's own host")
    } else if is_private(address) && !is_private(endpoint) {
        Err("which is on a private network, and the Hub is not")
    } else {
        Ok(())
    }
}

/// Whether the address names this machine or a host of a private network.
fn is_private(address: &Url) -> bool {
    let Some(host) = address.host_str() else { return true };
    let private_v4 = |ip: Ipv4Addr| {
        let [a, b, ..] = ip.octets();
        ip.is_loopback()
            || ip.is_private()
            || ip.is_link_local()
            || ip.is_broadcast()
            || a == 0
            || (a == 100 && (64..128).contains(&b)) // shared by carriers, RFC 6598
    };
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(ip)) => private_v4(ip),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.to_ipv4_mapped().is_some_and(private_v4)
        }
        Err(_) => {
            let host = host.trim_end_matches('.');
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_by_https_or_to_the_endpoints_own_host_and_nowhere_else() {
        let allowed = |endpoint: &str, address: &str| {
            check_destination(&Url::parse(endpoint).unwrap(), &Url::parse(address).unwrap()).is_ok()
        };
        let hub = "https://huggingface.co";
        for good in
            ["https://s3.amazonaws.com/x?sig=1", "https://huggingface.co:8443/x", "https://93.184.215.14/"]
        {
            assert!(allowed(hub, good), "{good}");
        }
        for bad in [
            "http://s3.amazonaws.com/x",
            "http://huggingface.co/x",
            "file:///etc/passwd",
            "ftp://huggingface.co/x",
            "data:,x",
            "https://localhost/x",
            "https://storage.localhost./x",
            "https://127.0.0.1/x",
            "https://2130706433/x", // the same
            "https://10.1.2.3/x",
            "https://172.16.0.1/x",
            "https://192.168.1.1/x",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/x",
            "https://0.0.0.0/x",
            "https://[::1]/x",
            "https://[::ffff:127.0.0.1]/x",
            "https://[fd00::1]/x",
            "https://[fe80::1]/x",
        ] {
            assert!(!allowed(hub, bad), "{bad}");
        }
        // A Hub of one's own, on one's own network.
        let own = "http://127.0.0.1:8000";
        for good in
            ["http://127.0.0.1:9000/x", "https://127.0.0.1/x", "https://10.0.0.1/x", "https://host.example/x"]
        {
            assert!(allowed(own, good), "{good}");
        }
        for bad in ["http://127.0.0.2/x", "http://host.example/x", "file:///etc/passwd"] {
            assert!(!allowed(own, bad), "{bad}");
        }
    }
}
