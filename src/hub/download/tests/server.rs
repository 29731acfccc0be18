//! A server on this machine.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::hub::address::{Hub, Patience};

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReceivedRequest {
    pub(super) method: String,
    pub(super) path: String,
    /// The first byte that is asked for.
    pub(super) from: Option<u64>,
}

/// A server that is gone when the test is.
pub(super) struct Server {
    pub(super) address: String,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl Server {
    pub(super) fn new(
        answer: impl Fn(&ReceivedRequest, usize) -> Vec<u8> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let received = Arc::new(Mutex::new(Vec::<ReceivedRequest>::new()));
        let heard = received.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read(&stream);
                let mut heard = heard.lock().unwrap();
                let nth = heard
                    .iter()
                    .filter(|of| of.method == request.method)
                    .count();
                let bytes = answer(&request, nth);
                heard.push(request);
                drop(heard);
                // A client that has heard enough goes away.
                let _ = stream.write_all(&bytes);
            }
        });
        Self { address, received }
    }

    pub(super) fn hub(&self) -> Hub {
        hub(&self.address)
    }

    pub(super) fn received(&self) -> Vec<ReceivedRequest> {
        self.received.lock().unwrap().clone()
    }

    /// The first bytes that were asked for, in order.
    pub(super) fn starts(&self) -> Vec<Option<u64>> {
        let all = self.received();
        let gets = all.iter().filter(|of| of.method == "GET");
        gets.map(|of| of.from).collect()
    }
}

fn read(stream: &TcpStream) -> ReceivedRequest {
    let mut lines = BufReader::new(stream).lines().map(|line| line.unwrap());
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    let mut received = ReceivedRequest {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        from: None,
    };
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        if name.eq_ignore_ascii_case("range") {
            let from = value.trim().strip_prefix("bytes=").unwrap();
            received.from = Some(from.strip_suffix('-').unwrap().parse().unwrap());
        }
    }
    received
}

/// The hub at an address, with little patience.
pub(super) fn hub(address: &str) -> Hub {
    let hub = Hub::at(&format!("http://{address}")).unwrap();
    hub.patient(Patience {
        retries: 2,
        pause: Duration::from_millis(1),
        read: Duration::from_secs(5),
    })
}
