//! Questions to a server of models: where they go, and what is read of the answers.
//!
//! | header | what is taken from it |
//! |---|---|
//! | `X-Linked-Size`, else `Content-Length` of what is not sent elsewhere | bytes of the file |
//! | `X-Linked-ETag`, else `ETag`, where it is 64 hexadecimal digits | its SHA-256 |

use std::env;
use std::fmt;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body};

use super::HubFile;
use super::headers::{FileFacts, number, text};
use crate::error::{Error, Result};

/// The environment variable that names a mirror, as other programs have it.
const ENDPOINT: &str = "HF_ENDPOINT";
const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
const MAX_REDIRECTS: usize = 10;

/// How long something is waited for, and how often it is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Tries after one that brought nothing new.
    pub retries: usize,
    /// Before the first of them; each waits twice as long as the one before.
    pub pause: Duration,
    /// For the next bytes.
    pub read: Duration,
}

/// A server of models.
pub struct Hub {
    endpoint: String,
    agent: Agent,
    pub(super) patience: Patience,
    /// Bytes that a folder's disk has left, where that is told.
    pub(super) room: fn(&Path) -> Option<u64>,
}

/// Why there is no file yet.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Another try may do.
    ForNow(String),
    /// Nobody is there.
    Unreachable(String),
    /// It would come out the same again.
    ForGood(String),
    /// This machine's own, or the user's word.
    Here(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForNow(reason) | Self::Unreachable(reason) | Self::ForGood(reason) => {
                f.write_str(reason)
            }
            Self::Here(error) => write!(f, "{error}"),
        }
    }
}

/// Where an answer may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follows {
    /// Anywhere, for the file itself.
    Anywhere,
    /// To the same host: others are asked for the file, and not about it.
    SameHost,
}

impl Hub {
    /// The one that the environment names, or Hugging Face.
    ///
    /// # Errors
    /// [`Error::Spec`] for an address that is none.
    pub fn from_environment() -> Result<Self> {
        match env::var(ENDPOINT) {
            Ok(endpoint) if !endpoint.trim().is_empty() => Self::at(endpoint.trim()),
            Ok(_) | Err(_) => Self::at(DEFAULT_ENDPOINT),
        }
    }

    /// The one at an address such as `https://huggingface.co`.
    ///
    /// # Errors
    /// [`Error::Spec`] for an address that is none.
    pub fn at(endpoint: &str) -> Result<Self> {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let uri: Option<Uri> = endpoint.parse().ok();
        let host = uri
            .as_ref()
            .filter(|uri| has_scheme(uri))
            .and_then(Uri::host);
        let Some(host) = host else {
            let reason = tr!(
                "\"{endpoint}\" is not an address; write https://HOST",
                endpoint
            );
            return Err(Error::spec(ENDPOINT, reason));
        };
        let patience = Patience {
            retries: 5,
            pause: Duration::from_secs(1),
            read: Duration::from_secs(30),
        };
        let is_here = is_this_machine(host);
        Ok(Self {
            agent: agent(patience, is_here),
            endpoint,
            patience,
            room: |folder| fs4::available_space(folder).ok(),
        })
    }

    #[cfg(test)]
    pub(super) fn patient(mut self, patience: Patience) -> Self {
        self.agent = agent(patience, true);
        self.patience = patience;
        self
    }

    /// The host that is asked.
    pub fn host(&self) -> String {
        let uri: Option<Uri> = self.endpoint.parse().ok();
        let authority = uri.as_ref().and_then(Uri::authority);
        authority.map_or_else(|| self.endpoint.clone(), ToString::to_string)
    }

    fn url(&self, wanted: &HubFile) -> std::result::Result<Uri, Trouble> {
        let HubFile {
            repository, file, ..
        } = wanted;
        let url = format!("{}/{repository}/resolve/main/{file}", self.endpoint);
        let no_url = |_| Trouble::ForGood(tr!("{url} is not an address", url));
        url.parse().map_err(no_url)
    }

    /// What the server says of a file, without the file.
    pub(super) fn look(&self, wanted: &HubFile) -> std::result::Result<FileFacts, Trouble> {
        let (response, mut told) = self.ask(wanted, None, Follows::SameHost)?;
        match response.status().as_u16() {
            200..=299 => {
                let length = number(response.headers(), "content-length");
                told.bytes = told.bytes.or(length);
                Ok(told)
            }
            // It leads elsewhere, and has said what it knows; or it answers no such
            // questions.
            300..=399 | 405 | 501 => Ok(told),
            status => Err(self.refused(status, wanted)),
        }
    }

    /// The file from a byte on.
    pub(super) fn fetch(
        &self,
        wanted: &HubFile,
        from: u64,
    ) -> std::result::Result<Response<Body>, Trouble> {
        let (response, _) = self.ask(wanted, Some(from), Follows::Anywhere)?;
        match response.status().as_u16() {
            200 | 206 | 416 => Ok(response),
            status => Err(self.refused(status, wanted)),
        }
    }

    fn ask(
        &self,
        wanted: &HubFile,
        from: Option<u64>,
        follows: Follows,
    ) -> std::result::Result<(Response<Body>, FileFacts), Trouble> {
        let mut url = self.url(wanted)?;
        let mut told = FileFacts::default();
        for _ in 0..=MAX_REDIRECTS {
            let request = match from {
                None => self.agent.head(url.clone()),
                Some(_) => self.agent.get(url.clone()),
            };
            // Bytes as they are stored, so that they can be counted.
            let request = request.header("Accept-Encoding", "identity");
            let request = match from {
                None | Some(0) => request,
                Some(from) => request.header("Range", format!("bytes={from}-")),
            };
            let response = request.call().map_err(|error| failed(&url, &error))?;
            told.take(response.headers());
            let next = match response.status().as_u16() {
                301 | 302 | 303 | 307 | 308 => location(&url, response.headers())?,
                _ => return Ok((response, told)),
            };
            if follows == Follows::SameHost && next.authority() != url.authority() {
                return Ok((response, told));
            }
            if url.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
                let reason = tr!(
                    "{} redirects to {next}, which is not encrypted",
                    host(&url),
                    next
                );
                return Err(Trouble::ForGood(reason));
            }
            url = next;
        }
        let reason = tr!("{} redirects too many times", self.host());
        Err(Trouble::ForGood(reason))
    }

    fn refused(&self, status: u16, wanted: &HubFile) -> Trouble {
        let host = self.host();
        let HubFile {
            repository, file, ..
        } = wanted;
        match status {
            404 | 410 => Trouble::ForGood(tr!(
                "{host} has no file {file} in {repository}; see {}",
                wanted.page(),
                host,
                file,
                repository
            )),
            401 | 403 => Trouble::ForGood(tr!(
                "{host} gives {file} only to users who have signed in (status {status}); sign in and download it from {}",
                wanted.page(),
                host,
                file,
                status
            )),
            _ => Trouble::ForNow(tr!(
                "{host} answered with status {status}; try again later",
                host,
                status
            )),
        }
    }
}

fn agent(patience: Patience, is_here: bool) -> Agent {
    let mut config = Agent::config_builder()
        .timeout_resolve(Some(patience.read))
        .timeout_connect(Some(patience.read))
        .timeout_recv_response(Some(patience.read))
        .timeout_per_read(Some(patience.read))
        .http_status_as_error(false)
        // What stands on the way is looked at.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("gosling/", env!("CARGO_PKG_VERSION")));
    if is_here {
        config = config.proxy(None);
    }
    config.build().into()
}

fn has_scheme(uri: &Uri) -> bool {
    matches!(uri.scheme_str(), Some("http" | "https"))
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|of| of.is_loopback())
}

fn host(url: &Uri) -> &str {
    url.authority().map_or(tr!("the server"), |of| of.as_str())
}

/// Where an answer leads.
fn location(from: &Uri, headers: &HeaderMap) -> std::result::Result<Uri, Trouble> {
    let nowhere = || Trouble::ForGood(tr!("{} redirects to no valid address", host(from)));
    let to = text(headers, "location").ok_or_else(nowhere)?;
    let scheme = from.scheme_str().unwrap_or("https");
    let absolute = if let Some(rest) = to.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if to.starts_with('/') {
        format!("{scheme}://{}{to}", host(from))
    } else {
        to.to_owned()
    };
    let uri: Uri = absolute.parse().map_err(|_| nowhere())?;
    match has_scheme(&uri) && uri.host().is_some() {
        true => Ok(uri),
        false => Err(nowhere()),
    }
}

/// What went wrong on the way.
fn failed(url: &Uri, error: &ureq::Error) -> Trouble {
    let host = host(url);
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => {
            Trouble::Unreachable(tr!("{host} cannot be reached", host))
        }
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
            Trouble::Unreachable(tr!("{host} cannot be reached", host))
        }
        ureq::Error::Timeout(of) => Trouble::ForNow(tr!("{host} does not answer ({of})", host, of)),
        ureq::Error::ConnectProxyFailed(reason) => {
            Trouble::Unreachable(tr!("the proxy cannot reach {host}, {reason}", host, reason))
        }
        ureq::Error::InvalidProxyUrl => {
            Trouble::ForGood(tr!("the proxy's address is not valid; check HTTPS_PROXY").into())
        }
        other => Trouble::ForNow(format!("{host}: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_web() {
        for right in [
            "https://hf-mirror.com/",
            "http://127.0.0.1:8080",
            "http://[::1]:80",
        ] {
            assert!(Hub::at(right).is_ok(), "{right}");
        }
        for wrong in [
            "hf-mirror.com",
            "ftp://hf-mirror.com",
            "https://",
            "file:///etc",
        ] {
            let error = Hub::at(wrong).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with("HF_ENDPOINT: "), "{error}");
        }
        assert!(is_this_machine("[::1]") && is_this_machine("LOCALHOST"));
        assert!(!is_this_machine("127.0.0.1.example.com"));
    }

    #[test]
    fn answers_lead_on_by_every_form_of_an_address() {
        let from: Uri = "https://a.org:8443/x/y".parse().unwrap();
        let check = |to: &str, want: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert("location", to.parse().unwrap());
            let uri = location(&from, &headers).ok().map(|uri| uri.to_string());
            assert_eq!(uri.as_deref(), want, "{to}");
        };
        check("/z?q=1", Some("https://a.org:8443/z?q=1"));
        check("//b.org/z", Some("https://b.org/z"));
        check("http://b.org/z", Some("http://b.org/z"));
        check("file:///etc/passwd", None);
        check("z", None);
    }
}
