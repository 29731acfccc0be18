//! Adaptations to options: what a guide finds of them, and what they cost.

use super::*;

/// From the guide's own distribution over letters: from even shares the loss falls
/// towards ln 4, which is the least that it can be; a guide that is the base has nothing
/// to teach; a question without shares moves nothing.
#[test]
fn the_shares_of_options_are_learned() {
    let world = World::new();
    let items = items(Benchmark::Mmlu, 2);
    let all = questions(&items);
    let text = |of: &Item, shares: Vec<f64>| GuideText {
        id: of.id.clone(),
        prompt_hash: String::new(),
        text: "A".into(),
        written: String::new(),
        answer: Some("0".into()),
        shares,
        tokens: vec![7],
        model: "hand".into(),
        created: String::new(),
        n_tokens: 0,
    };
    let case = |guide| Case {
        objective: Objective::Soft { top: None },
        mode: Mode::Item,
        steps: 3,
        guide: Some(guide),
        budget: None,
    };
    let even = text(&items[0], vec![0.25; 4]);
    let nothing = text(&items[1], Vec::new());
    let guide = Guide::new([even, nothing], None);
    // Small steps, so that none goes beyond the least.
    let (states, reached) = world.adapted_at(3e-4, &case(&guide), &all, None);
    let losses: Vec<f64> = reached.curve.iter().filter_map(|of| of.loss).collect();
    let least = 4.0_f64.ln();
    assert!(losses.len() >= 2 && losses.iter().all(|loss| *loss >= least - 1e-6));
    assert!(losses.last() < losses.first(), "{losses:?}");
    assert_ne!(states.state(0).unwrap(), world.base.state);
    assert_eq!(states.state(1).unwrap(), world.base.state);
    assert_eq!(reached.costs[1].trained, 0);
    let local = LocalGuide {
        engine: Engine::new(&world.model, &world.device),
        states: world.states(1),
        text_start: TextStart::Zero,
        solved: Vec::new(),
        examples: 0,
        name: "itself".into(),
    };
    let texts = local
        .texts(&world.prompts(), &all, &mut |_| Ok(()))
        .unwrap();
    let itself = Guide::new(texts, Some(local));
    let (_, reached) = world.adapted(&case(&itself), &all[..1], None);
    let first = &reached.curve[0];
    // The cross entropy to itself is the entropy.
    let (loss, entropy) = (first.loss.unwrap(), first.entropy.unwrap());
    assert!((loss - entropy).abs() < 1e-5, "{loss}, not {entropy}");
}

/// What a step costs, counted by hand, and where the tokens are spent.
#[test]
fn a_state_stops_when_its_tokens_are_spent() {
    let world = World::new();
    let items = items(Benchmark::Mmlu, 2);
    let questions = questions(&items);
    let prompts = world.prompts();
    // One text: the token in front of all, the question, and a letter that is not read.
    assert_eq!(world.tokenizer.encode(" A").len(), 1);
    let n_tokens =
        |of: &Question| (1 + world.tokenizer.encode(&prompts.text(of, &[])).len()) as u64;
    let read: Vec<u64> = questions.iter().map(n_tokens).collect();
    let case = |mode: Mode, budget: f64| Case {
        objective: Objective::OptionEntropy,
        mode,
        steps: 4,
        guide: None,
        budget: Some(budget),
    };
    let budget = 4.5 * read[0] as f64;
    let (states, reached) = world.adapted(&case(Mode::Item, budget), &questions, None);
    for (idx, read) in read.iter().enumerate() {
        // A trained token counts three.
        let want = (budget / (3.0 * *read as f64)).ceil() as usize;
        assert!(want < 4, "the questions differ too much");
        assert_eq!(states.stopped(idx), Some(Stop::Budget));
        assert_eq!(states.steps(idx), want, "{idx}");
        let cost = reached.costs[idx];
        assert_eq!((cost.trained, cost.forward), (want as u64 * read, 0));
    }
    // Of a state that is shared, a budget is of a question in the mean.
    let mean = 3.0 * (read[0] + read[1]) as f64 / 2.0;
    let (states, reached) = world.adapted(&case(Mode::Shared, mean), &questions, None);
    assert_eq!(states.stopped(0), Some(Stop::Budget));
    assert_eq!(
        (states.steps(0), reached.costs[0].trained),
        (1, read[0] + read[1])
    );
}
