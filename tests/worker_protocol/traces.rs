//! The state over a text, while a run is on and while there is none.

use gosling::model::LeadingToken;
use gosling::persist::run_folder::snapshot_file;
use gosling::protocol::command::Command;
use gosling::protocol::event::{Event, JobEvent, RunEvent};
use gosling::protocol::run_spec::{CheckpointSource, RunSpec};
use gosling::protocol::trace::{TraceAnswer, TraceFrom, TraceRequest};
use gosling::tuning::inspect::trajectory::Place;
use gosling::tuning::states::snapshot_file::read_snapshot;

use crate::client::*;

fn request(spec: &RunSpec, from: TraceFrom) -> Command {
    Command::Trace(TraceRequest {
        spec: Box::new(spec.clone()),
        from,
        text: "Two and two".into(),
        place: Place { layer: 1, head: 2 },
    })
}

fn answer(client: &mut Client) -> TraceAnswer {
    client.until(|event| *event == Event::Job(JobEvent::TraceReady));
    client.worker.traces.take().unwrap()
}

#[test]
fn a_text_is_followed_between_the_steps_of_a_run_and_in_a_pause() {
    let mut client = Client::new();
    let mut spec = tiny();
    // As the untuned model reads.
    spec.data.leading_token = LeadingToken::Zero;
    client.start(&spec);
    let run = client.until_started();
    let folder = client.store.get(&run).unwrap().folder.clone();
    client.until(|event| is_step(event, 1));
    let newest = TraceFrom::Newest {
        run: run.clone(),
        folder: folder.clone(),
    };
    client.send(request(&spec, newest.clone()));
    let live = answer(&mut client).traced.unwrap();
    let is_zero = |state: &[f32]| state.iter().all(|x| *x == 0.0);
    assert!(!is_zero(&live.trajectory.states[0]), "the state of step 1");
    let words: String = live.words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(words, "Two and two");
    let heads = live.trajectory.heads.as_ref().unwrap();
    assert_eq!(heads.nearest(live.words.len()), Some(live.words.len()));
    assert_eq!(live.trajectory.states.len(), live.words.len() + 1);

    client.send(Command::Pause(run.clone()));
    client.until(|event| matches!(event, Event::Run(_, RunEvent::Paused { .. })));
    client.send(request(&spec, TraceFrom::Untuned));
    let untuned = answer(&mut client).traced.unwrap();
    assert!(is_zero(&untuned.trajectory.states[0]));
    // It is still held, and told once.
    client.send(request(
        &spec,
        TraceFrom::Snapshot {
            folder: folder.clone(),
            step: 0,
        },
    ));
    let first = answer(&mut client).traced.unwrap();
    assert_eq!(first.trajectory.states, untuned.trajectory.states);
    assert_eq!(
        client.count(|event| matches!(event, Event::Run(_, RunEvent::Paused { .. }))),
        1
    );
    // Another model waits for the run to end.
    let mut other = spec.clone();
    other.model.checkpoint = CheckpointSource::File("other.pth".into());
    client.send(request(&other, TraceFrom::Untuned));
    let refused = answer(&mut client).traced.unwrap_err();
    assert!(refused.contains("wait until the run ends"), "{refused}");

    client.send(Command::Resume(run));
    let (_, run) = client.until_ended();
    // After the run, of what it stored.
    let step = *run.snapshots.last().unwrap();
    client.send(request(&spec, TraceFrom::Snapshot { folder, step }));
    let last = answer(&mut client).traced.unwrap();
    let stored = read_snapshot(snapshot_file(&run.folder, step)).unwrap();
    let head = stored.tuned.state.head(1, 2).unwrap();
    assert_eq!(last.trajectory.states[0], head);
    client.send(request(&other, newest));
    let missing = answer(&mut client).traced.unwrap_err();
    assert!(missing.contains("other.pth"), "{missing}");
}
