//! Questions about the heads of a state that is on the disk.

use gosling::protocol::command::Command;
use gosling::protocol::event::{Event, JobEvent, RunId};
use gosling::protocol::head_requests::{Ablation, AblationRequest, LensRequest, ValueLens};
use gosling::protocol::run_spec::RunSpec;
use gosling::protocol::trace::TraceFrom;
use gosling::runs::run::Run;
use gosling::tuning::inspect::singular_values::singular_values;
use gosling::tuning::inspect::trajectory::Place;
use gosling::tuning::states::state_file::{locate_state, read_state};

use crate::client::*;

fn finished(client: &mut Client) -> (RunSpec, Run, TraceFrom) {
    let spec = tiny();
    client.start(&spec);
    client.until_started();
    let (_, run) = client.until_ended();
    client.until(|event| *event == Event::Job(JobEvent::Done));
    let from = TraceFrom::Newest {
        run: run.id.clone(),
        folder: run.folder.clone(),
    };
    (spec, run, from)
}

fn ablate(client: &Client, name: &str, spec: &RunSpec, run: &Run, from: &TraceFrom) {
    client.send(Command::AblateHeads {
        run: RunId(name.into()),
        request: Box::new(AblationRequest {
            of: run.id.clone(),
            spec: Box::new(spec.clone()),
            from: from.clone(),
            max_examples: 2,
        }),
    });
}

fn known(event: Event) -> Ablation {
    match event {
        Event::Job(JobEvent::Ablated { ablation, .. }) => *ablation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn directions_are_read_in_tokens() {
    let mut client = Client::new();
    let (spec, run, from) = finished(&mut client);
    let place = Place { layer: 1, head: 2 };
    let ask = |client: &Client, from: &TraceFrom| {
        client.send(Command::ReadLens {
            run: RunId("lens".into()),
            request: Box::new(LensRequest {
                spec: Box::new(spec.clone()),
                from: from.clone(),
                place,
            }),
        });
    };
    ask(&client, &from);
    client.until(|event| matches!(event, Event::Job(JobEvent::LensRead { .. })));
    let ValueLens {
        request,
        directions,
    } = client.store.lens.clone().unwrap();
    assert_eq!((request.place, request.from), (place, from));
    let (state, _) = read_state(locate_state(&run.folder).unwrap(), None).unwrap();
    let head = state.head(place.layer, place.head).unwrap();
    let want = singular_values(head, state.head_size).unwrap();
    assert_eq!(directions.len(), 4);
    for (direction, want) in directions.iter().zip(want) {
        assert!((direction.singular_value - want).abs() < 1e-6 * want.max(1.0));
        let scores: Vec<f32> = direction.along.iter().map(|token| token.score).collect();
        assert!(
            scores.windows(2).all(|pair| pair[0] >= pair[1]),
            "{scores:?}"
        );
        assert!(scores[0] > 1.0, "the first token stands out: {scores:?}");
        let along: Vec<&str> = direction
            .along
            .iter()
            .map(|it| it.text.text.as_str())
            .collect();
        let against = direction.against.iter().map(|it| it.text.text.as_str());
        assert!(against.into_iter().all(|token| !along.contains(&token)));
    }
    // The untuned model has no state.
    client.until(|event| *event == Event::Job(JobEvent::Done));
    ask(&client, &TraceFrom::Untuned);
    let failed = client.until(|event| matches!(event, Event::Job(JobEvent::Failed { .. })));
    let Event::Job(JobEvent::Failed { message, .. }) = failed else {
        unreachable!()
    };
    assert!(message.contains("has no state"), "{message}");
}

#[test]
fn heads_are_left_out_one_by_one_and_the_measurement_can_be_stopped() {
    let mut client = Client::new();
    let (spec, run, from) = finished(&mut client);
    ablate(&client, "heads 1", &spec, &run, &from);
    let is_over = |event: &Event| matches!(event, Event::Job(JobEvent::Ablated { ablation, .. }) if !ablation.is_on);
    let whole = known(client.until(is_over));
    let (n_layer, n_head) = (whole.n_layer, whole.n_head);
    assert_eq!(
        whole.progress(),
        (n_layer * n_head + 1, n_layer * n_head + 1)
    );
    assert_eq!(whole.n_examples, 2);
    assert!(whole.n_tokens > 0);
    let losses: Vec<f64> = whole.without.iter().flatten().copied().collect();
    assert!(losses.iter().all(|loss| loss.is_finite()));
    // Of a state that is not zero some head changes the loss.
    assert!(whole.largest().unwrap() > 0.0);
    assert_eq!(client.store.ablation.as_ref().unwrap().secs_left(), None);
    client.until(|event| *event == Event::Job(JobEvent::Done));

    ablate(&client, "heads 2", &spec, &run, &from);
    let has_whole = |event: &Event| matches!(event, Event::Job(JobEvent::Ablated { ablation, .. }) if ablation.whole.is_some());
    client.until(has_whole);
    client.send(Command::Stop(RunId("heads 2".into())));
    let stopped = known(client.until(is_over));
    let (done, total) = stopped.progress();
    assert!(done < total, "{done} of {total}");
    assert_eq!(stopped.whole, whole.whole, "what is known stays");
    let first = stopped.without[0];
    assert!(first.is_none() || first == whole.without[0]);
}
