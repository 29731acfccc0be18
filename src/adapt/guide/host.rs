//! Where an address leads.

use crate::error::{Error, Result};

/// The host of an address.
pub(super) fn host_of(url: &str) -> Result<String> {
    let refuse = || {
        let reason = tr!(
            "\"{url}\" is not an address; write http://host:port/v1",
            url
        );
        Error::spec("guide.base_url", reason)
    };
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let authority = rest
        .and_then(|rest| rest.split(['/', '?', '#']).next())
        .ok_or_else(refuse)?;
    if authority.contains('@') {
        let reason =
            tr!("has a name or a key in it; name the key's environment variable in key_env");
        return Err(Error::spec("guide.base_url", reason));
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    match host.is_empty() {
        true => Err(refuse()),
        false => Ok(host.to_lowercase()),
    }
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_this_machine() {
        let check = |url: &str, want: Option<(&str, bool)>| {
            let host = host_of(url).ok();
            let got = host.as_deref().map(|host| (host, is_loopback(host)));
            assert_eq!(got, want, "{url}");
        };
        check("http://127.0.0.1:8080/v1", Some(("127.0.0.1", true)));
        check("http://LocalHost:1234", Some(("localhost", true)));
        check("http://[::1]:80/v1", Some(("::1", true)));
        check(
            "https://api.example.com/v1",
            Some(("api.example.com", false)),
        );
        check(
            "http://127.0.0.1.example.com",
            Some(("127.0.0.1.example.com", false)),
        );
        check("http://localhost@example.com", None);
        check("ftp://localhost", None);
        check("http://", None);
        check("127.0.0.1:80", None);
    }
}
