//! `gosling get`: the published models, and a download of one.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;

use super::progress::{Progress, bar};
use super::table::table;
use crate::error::{Error, Result};
use crate::format::{byte_rate, byte_size, duration, gibibytes, part_of_bytes, shown};
use crate::hub::{
    Got, Hub, HubFile, LICENCE, PAGE, PUBLISHED, Pace, Published, Stage, download, models_folder,
    needs,
};
use crate::kernels::device::{DeviceChoice, Room, room_of};
use crate::language;
use crate::model::BytesRead;

/// Which model, and where it goes.
#[derive(Args)]
pub(super) struct GetArguments {
    /// The model's size as in the list, its file, or any file of the Hugging Face hub as
    /// OWNER/REPOSITORY/FILE; without it the published models are listed.
    name: Option<String>,
    /// The folder for the file. By default models go into the user's folder for data, or
    /// into that of GOSLING_MODELS.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// The device whose memory the list is compared with.
    #[arg(long, default_value_t = DeviceChoice::Auto)]
    device: DeviceChoice,
}

/// Lists the models, or brings one.
///
/// # Errors
/// As [`download`].
pub(super) fn run(arguments: &GetArguments) -> Result<()> {
    let folder = arguments.to.clone().unwrap_or_else(models_folder);
    match &arguments.name {
        Some(name) => get(&HubFile::named(name)?, folder),
        None => {
            print!("{}", list(room_of(arguments.device)));
            println!(
                "{}",
                tr!(
                    "\n{LICENCE}, {PAGE}\n`gosling get NAME` downloads one into {}",
                    shown(&folder),
                    LICENCE,
                    PAGE
                )
            );
            Ok(())
        }
    }
}

/// The published models and what they need.
fn list(room: Room) -> String {
    let row = |of: &Published| {
        let [full, half, eight, four] = needs(&of.shape, room).map(|need| {
            let mark = if need.fits { ' ' } else { '!' };
            format!("{}{mark}", gibibytes(need.bytes))
        });
        let about = if of.bytes.is_some() {
            ""
        } else {
            tr!("about ")
        };
        [
            of.name.to_owned(),
            format!("{:.2} B", of.shape.n_params() as f64 / 1e9),
            format!("{about}{}", gibibytes(of.about_bytes())),
            full,
            half,
            eight,
            four,
            of.file.to_owned(),
        ]
    };
    let heading = [
        "name",
        "parameters",
        "download",
        "F32",
        "BF16",
        "Int8",
        "NF4",
        "file",
    ];
    let mut text = table(heading, &PUBLISHED.each_ref().map(row), &[1, 2, 3, 4, 5, 6]);
    text.push_str(tr!("\nF32 to NF4: memory of a tuning step with one example of 1024 tokens, activations recomputed"));
    match room.usable() {
        Some(bytes) => {
            let bytes = gibibytes(bytes);
            text.push_str(&tr!("; ! is more than the {bytes} of this device\n", bytes));
        }
        None => text.push('\n'),
    }
    text
}

fn get(wanted: &HubFile, folder: PathBuf) -> Result<()> {
    static IS_CANCELLED: AtomicBool = AtomicBool::new(false);
    // Without it Ctrl-C ends the program, and what has come is kept as well.
    let _ = ctrlc::set_handler(|| {
        // A server that is silent may keep the first one waiting.
        if IS_CANCELLED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    let hub = Hub::from_environment()?;
    let mut progress = Progress::new(false);
    progress.say(&tr!(
        "{} from {} into {}",
        wanted.file,
        hub.host(),
        shown(&folder)
    ));
    let (mut pace, mut waits_for) = (Pace::default(), String::new());
    let got = download(&hub, wanted, &folder, &mut |stage| {
        if IS_CANCELLED.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        if let Stage::Coming(read) = &stage {
            pace.add(Instant::now(), read.done);
        }
        if let Stage::Waiting(reason) = &stage
            && *reason != waits_for
        {
            progress.say(&tr!("{reason}; trying again", reason));
            waits_for.clone_from(reason);
        }
        progress.show_line(&mut || Some(line(&stage, &pace)));
        Ok(())
    });
    progress.clear();
    if let Err(Error::Stopped) = got {
        progress.say(tr!("cancelled; the same command continues the download"));
    }
    let Got {
        path,
        bytes,
        checked,
        was_here,
    } = got?;
    let was = if was_here {
        tr!("is here already")
    } else {
        tr!("saved")
    };
    println!(
        "{}",
        tr!(
            "{} {was}, {bytes} bytes; {}",
            shown(&path),
            language::text(checked.words()),
            was,
            bytes
        )
    );
    println!("gosling tune --model {} --fit", super::quoted(&path));
    Ok(())
}

fn line(stage: &Stage, pace: &Pace) -> String {
    match stage {
        Stage::Asking => tr!("asking the server").into(),
        Stage::Waiting(reason) => reason.clone(),
        Stage::Checking(read) => {
            let bytes = part_of_bytes(read.done, read.total);
            tr!("checking {} {bytes}", bar(read.share()), bytes)
        }
        Stage::Coming(BytesRead { done, total: 0 }) => byte_size(*done),
        Stage::Coming(read) => {
            let bytes = part_of_bytes(read.done, read.total);
            let rate = pace.bytes_per_sec();
            let rate = rate.map_or(String::new(), |rate| tr!(", {}", byte_rate(rate)));
            let left = pace
                .secs_left(read.total)
                .map_or(String::new(), |secs| tr!(", {} left", duration(secs)));
            tr!(
                "downloading {} {bytes}{rate}{left}",
                bar(read.share()),
                bytes,
                rate,
                left
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_what_does_not_fit() {
        let text = list(Room {
            memory: Some(8_000_000_000),
            ..Room::default()
        });
        for of in &PUBLISHED {
            assert!(text.contains(of.file), "{text}");
        }
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(!line("0.1b").contains('!'), "{text}");
        assert_eq!(line("13.3b").matches('!').count(), 4, "{text}");
        assert!(line("13.3b").contains(" 24.7 GiB"), "{text}");
        assert!(line("1.5b").contains("about 2.8 GiB"), "{text}");
        assert!(
            text.contains("more than the 7.5 GiB of this device"),
            "{text}"
        );
    }

    #[test]
    fn the_line_says_how_fast_and_how_long() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let read = BytesRead {
            done: 1_000_000_000,
            total: 3_000_000_000,
        };
        pace.add(start, 900_000_000);
        pace.add(start + std::time::Duration::from_secs(10), read.done);
        let line = line(&Stage::Coming(read), &pace);
        let want =
            "downloading [========                ] 0.93 of 2.79 GiB, 9.54 MiB/s, 3 min 20 s left";
        assert_eq!(line, want);
    }
}
