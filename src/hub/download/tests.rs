//! Against servers on this machine that break off, lie and lead elsewhere.

mod server;

use std::net::TcpListener;

use self::server::{ReceivedRequest, Server, hub};
use super::*;
use crate::atomic::sha256_hex;

fn file() -> Vec<u8> {
    let bytes = (0_u32..300_000).map(|idx| (idx.wrapping_mul(2_654_435_761) >> 24) as u8);
    bytes.collect()
}

fn wanted() -> HubFile {
    HubFile::named("owner/models/model.pth").unwrap()
}

fn head(status: &str, headers: &[(&str, String)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    (text + "\r\n").into_bytes()
}

/// What a server says of the file: its size and checksum, as the hub does.
fn described(bytes: usize, sha256: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Content-Length", "0".into()),
        ("X-Linked-Size", bytes.to_string()),
        ("X-Linked-ETag", format!("\"{sha256}\"")),
    ]
}

fn about() -> Vec<u8> {
    head("200 OK", &described(300_000, &sha256_hex(&file())))
}

/// The file from where it was asked for, `most` bytes of it before it breaks off.
fn sent(request: &ReceivedRequest, most: usize) -> Vec<u8> {
    let file = file();
    let (from, total) = (request.from.unwrap_or(0) as usize, file.len());
    let rest = &file[from..];
    let length = ("Content-Length", rest.len().to_string());
    let mut answer = match request.from {
        None => head("200 OK", &[length]),
        Some(_) => {
            let range = format!("bytes {from}-{}/{total}", total - 1);
            head("206 Partial Content", &[length, ("Content-Range", range)])
        }
    };
    answer.extend(&rest[..most.min(rest.len())]);
    answer
}

fn quiet(_: Stage) -> Result<()> {
    Ok(())
}

fn error(hub: &Hub, wanted: &HubFile, folder: &Path) -> String {
    let got = download(hub, wanted, folder, &mut quiet);
    got.unwrap_err().to_string()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn a_file_comes_by_the_way_that_the_hub_sends() {
    let store = Server::new(|request, _| sent(request, usize::MAX));
    let to = format!("http://{}/blob?signed=1", store.address);
    let server = Server::new(move |_, _| {
        let mut headers = described(300_000, &sha256_hex(&file()));
        headers.push(("Location", to.clone()));
        head("302 Found", &headers)
    });
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("new").join("models");
    let mut stages = Vec::new();
    let mut tell = |stage| {
        stages.push(stage);
        Ok(())
    };
    let got = download(&server.hub(), &wanted(), &models, &mut tell).unwrap();
    assert_eq!(fs::read(&got.path).unwrap(), file());
    assert_eq!((got.bytes, got.checked), (300_000, Checked::Server));
    assert!(!got.was_here);
    assert_eq!(names(&models), ["model.pth"]);
    let coming = stages.iter().filter_map(|stage| match stage {
        Stage::Coming(read) => Some(read.done),
        Stage::Asking | Stage::Checking(_) | Stage::Waiting(_) => None,
    });
    let coming: Vec<u64> = coming.collect();
    assert!(
        coming.is_sorted() && coming.ends_with(&[300_000]),
        "{coming:?}"
    );
    // The other host is asked for the file, and not about it.
    let ways = |of: &Server| -> Vec<String> {
        let request = of.received().into_iter();
        request
            .map(|of| format!("{} {}", of.method, of.path))
            .collect()
    };
    let path = "/owner/models/resolve/main/model.pth";
    assert_eq!(
        ways(&server),
        [format!("HEAD {path}"), format!("GET {path}")]
    );
    assert_eq!(ways(&store), ["GET /blob?signed=1"]);
    // What is here is compared, and does not come again.
    let again = download(&server.hub(), &wanted(), &models, &mut quiet).unwrap();
    assert!(again.was_here);
    assert_eq!(store.received().len(), 1);
    fs::write(&got.path, "other").unwrap();
    let error = error(&server.hub(), &wanted(), &models);
    assert!(error.contains("exists already with 5 bytes"), "{error}");
}

#[test]
fn a_connection_that_breaks_off_is_continued() {
    let server = Server::new(|request, nth| match (request.method.as_str(), nth) {
        ("HEAD", _) => about(),
        (_, 0) => sent(request, 100_000),
        (_, 1) => head("503 Busy", &[("Content-Length", "0".into())]),
        (_, 2) => sent(request, 50_000),
        _ => sent(request, usize::MAX),
    });
    let folder = tempfile::tempdir().unwrap();
    let mut waits = 0;
    let mut tell = |stage| {
        waits += usize::from(matches!(stage, Stage::Waiting(_)));
        Ok(())
    };
    let got = download(&server.hub(), &wanted(), folder.path(), &mut tell).unwrap();
    assert_eq!(fs::read(got.path).unwrap(), file());
    let starts = [None, Some(100_000), Some(100_000), Some(150_000)];
    assert_eq!(server.starts(), starts);
    assert!(waits >= 3, "{waits}");
}

#[test]
fn what_has_come_is_continued_the_next_time() {
    let server = Server::new(|request, _| match request.method.as_str() {
        "HEAD" => about(),
        _ => sent(request, usize::MAX),
    });
    let folder = tempfile::tempdir().unwrap();
    let mut give_up = |stage| match stage {
        Stage::Coming(BytesRead { done, .. }) if done > 100_000 => Err(Error::Stopped),
        _ => Ok(()),
    };
    let stopped = download(&server.hub(), &wanted(), folder.path(), &mut give_up);
    assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
    let part = names(folder.path()).pop().unwrap();
    assert!(
        part.starts_with("model.pth.") && part.ends_with(".part"),
        "{part}"
    );
    let kept = fs::metadata(folder.path().join(&part)).unwrap().len();
    let mut checked = 0;
    let mut tell = |stage| {
        if let Stage::Checking(read) = stage {
            checked = read.done;
        }
        Ok(())
    };
    let got = download(&server.hub(), &wanted(), folder.path(), &mut tell).unwrap();
    assert_eq!(checked, kept);
    assert_eq!(server.starts(), [None, Some(kept)]);
    assert_eq!(fs::read(got.path).unwrap(), file());
    assert_eq!(names(folder.path()), ["model.pth"]);
}

#[test]
fn two_processes_do_not_write_one_file() {
    let server = Server::new(|_, _| about());
    let folder = tempfile::tempdir().unwrap();
    let version = &sha256_hex(&file())[..16];
    let part = folder.path().join(format!("model.pth.{version}.part"));
    let other = fs::File::create(part).unwrap();
    other.lock().unwrap();
    let error = error(&server.hub(), &wanted(), folder.path());
    assert!(error.contains("another process is downloading"), "{error}");
}

#[test]
fn servers_that_know_no_ranges_begin_anew() {
    let server = Server::new(|request, nth| match (request.method.as_str(), nth) {
        ("HEAD", _) => about(),
        (_, 0) => sent(request, 100_000),
        _ => sent(
            &ReceivedRequest {
                from: None,
                ..request.clone()
            },
            usize::MAX,
        ),
    });
    let folder = tempfile::tempdir().unwrap();
    let got = download(&server.hub(), &wanted(), folder.path(), &mut quiet).unwrap();
    assert_eq!(fs::read(got.path).unwrap(), file());
    assert_eq!(server.starts(), [None, Some(100_000)]);
}

#[test]
fn another_part_than_was_asked_for_is_not_taken() {
    let server = Server::new(|request, nth| match (request.method.as_str(), nth) {
        ("HEAD", _) => about(),
        (_, 0) => sent(request, 100_000),
        (_, 1) => sent(
            &ReceivedRequest {
                from: Some(99_999),
                ..request.clone()
            },
            usize::MAX,
        ),
        _ => sent(request, usize::MAX),
    });
    let folder = tempfile::tempdir().unwrap();
    let got = download(&server.hub(), &wanted(), folder.path(), &mut quiet).unwrap();
    assert_eq!(fs::read(got.path).unwrap(), file());
    assert_eq!(server.starts(), [None, Some(100_000), None]);
}

#[test]
fn lies_about_the_size_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let check = |want: &str, server: Server| {
        let error = error(&server.hub(), &wanted(), folder.path());
        assert!(error.contains(want), "{error}");
        assert!(!folder.path().join("model.pth").exists());
    };
    let length = |bytes: usize| ("Content-Length", bytes.to_string());
    // Another size than was told.
    let other = Server::new(move |request, _| match request.method.as_str() {
        "HEAD" => about(),
        _ => head("200 OK", &[length(300_001)]),
    });
    check("sends 300001 bytes instead of 300000", other);
    // More bytes than were told, without a length.
    let more = Server::new(|request, _| match request.method.as_str() {
        "HEAD" => about(),
        _ => {
            let mut answer = head("200 OK", &[]);
            answer.extend(file());
            answer.extend([0; 9]);
            answer
        }
    });
    check("sends more bytes than the file has", more);
    // Fewer bytes than were told, always.
    let fewer = Server::new(|request, _| match request.method.as_str() {
        "HEAD" => about(),
        _ if request.from.is_none() => sent(request, 200_000),
        _ => sent(request, 0),
    });
    check("broke off", fewer);
}

#[test]
fn a_wrong_checksum_leaves_nothing_behind() {
    let server = Server::new(|request, _| match request.method.as_str() {
        "HEAD" => head("200 OK", &described(300_000, &"0".repeat(64))),
        _ => sent(request, usize::MAX),
    });
    let folder = tempfile::tempdir().unwrap();
    let error = error(&server.hub(), &wanted(), folder.path());
    assert!(error.contains(&sha256_hex(&file())), "{error}");
    assert!(error.contains("it was removed"), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_server_with_another_file_than_the_published_one_is_not_asked_for_it() {
    let server = Server::new(|_, _| about());
    let folder = tempfile::tempdir().unwrap();
    for (bytes, sha256, what) in [
        (Some(5), None, "size 300000"),
        (None, Some("f".repeat(64)), "SHA-256"),
    ] {
        let wanted = HubFile {
            bytes,
            sha256,
            ..wanted()
        };
        let error = error(&server.hub(), &wanted, folder.path());
        assert!(
            error.contains(what) && error.contains("owner/models/model.pth"),
            "{error}"
        );
    }
    assert!(server.starts().is_empty());
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_disk_without_room_is_seen_before_anything_comes() {
    let server = Server::new(|_, _| about());
    let mut hub = server.hub();
    hub.room = |_| Some(SPARE + 299_999);
    let folder = tempfile::tempdir().unwrap();
    let error = error(&hub, &wanted(), folder.path());
    assert!(error.contains("are free; free some space"), "{error}");
    assert!(server.starts().is_empty());
}

#[test]
fn the_size_alone_is_compared_where_nothing_else_is_told() {
    let length = || ("Content-Length", "300000".to_owned());
    for (answer, checked) in [
        (head("200 OK", &[length()]), Checked::SizeOnly),
        // It answers no such questions.
        (head("501 Not Implemented", &[]), Checked::Nothing),
    ] {
        let server = Server::new(move |request, _| match request.method.as_str() {
            "HEAD" => answer.clone(),
            _ => sent(request, usize::MAX),
        });
        let folder = tempfile::tempdir().unwrap();
        let got = download(&server.hub(), &wanted(), folder.path(), &mut quiet).unwrap();
        assert_eq!(got.checked, checked);
        assert_eq!(fs::read(got.path).unwrap(), file());
    }
}

#[test]
fn what_is_not_there_is_said_with_the_way_on() {
    let folder = tempfile::tempdir().unwrap();
    let none = Server::new(|_, _| head("404 Not Found", &[("Content-Length", "0".into())]));
    let said = error(&none.hub(), &wanted(), folder.path());
    assert!(
        said.contains("has no file model.pth in owner/models"),
        "{said}"
    );
    assert_eq!(none.received().len(), 1, "it would say the same again");
    let around = Server::new(|request, _| {
        head(
            "302 Found",
            &[
                ("Location", request.path.clone()),
                ("Content-Length", "0".into()),
            ],
        )
    });
    let said = error(&around.hub(), &wanted(), folder.path());
    assert!(said.contains("redirects too many times"), "{said}");
    // Nobody listens there any more.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let said = error(&hub(&address), &wanted(), folder.path());
    let place = folder.path().display().to_string();
    assert!(
        said.contains("cannot be reached") && said.contains(&place),
        "{said}"
    );
    assert!(
        said.contains("https://huggingface.co/owner/models"),
        "{said}"
    );
    // What is here already can be compared without anybody.
    fs::write(folder.path().join("model.pth"), file()).unwrap();
    let known = HubFile {
        sha256: Some(sha256_hex(&file())),
        ..wanted()
    };
    let got = download(&hub(&address), &known, folder.path(), &mut quiet).unwrap();
    assert_eq!((got.was_here, got.checked), (true, Checked::Known));
}
