//! Many questions to a server, several at once. What comes is written down before it
//! is used; a server that stalls, lies or dies ends nothing.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};

use super::letters::shares;
use super::server::{Failed, GuideRequest, Reply, Server};
use super::{GuideText, Unusable, kept, taken, with_options};
use crate::adapt::prompts::{Prompts, fitting};
use crate::adapt::question::Question;
use crate::adapt::spec::HttpSpec;
use crate::atomic::sha256_hex;
use crate::data::Item;
use crate::error::{Error, Result};
use crate::persist::utc::utc_now;

/// How long the first repetition waits; each further one twice as long.
const BACK_OFF: Duration = Duration::from_millis(500);
/// The longest wait.
const MAX_BACK_OFF: Duration = Duration::from_secs(8);
/// Questions in a row without an answer, after which the server is taken for dead.
const MAX_FAILED: usize = 5;
/// How often an interrupt is looked for.
const TICK: Duration = Duration::from_millis(100);

/// What a server gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerTexts {
    /// Texts, also those that nothing could be taken of, which have no tokens.
    pub texts: Vec<GuideText>,
    /// What the user should know: questions without an answer, and why.
    pub notes: Vec<String>,
}

/// A guide on a server.
pub struct HttpGuide<'a> {
    spec: &'a HttpSpec,
    server: Server,
    /// Solved training questions.
    solved: &'a [Item],
    back_off: Duration,
    /// Whether it was seen to give probabilities of its tokens.
    gives_logprobs: Cell<bool>,
}

impl<'a> HttpGuide<'a> {
    /// A guide that shows `solved` questions.
    ///
    /// # Errors
    /// [`Error::Spec`] for an address that is none or that may not be asked, and for
    /// a key that is not set.
    pub fn new(spec: &'a HttpSpec, solved: &'a [Item]) -> Result<Self> {
        Ok(Self {
            spec,
            server: Server::new(spec)?,
            solved,
            back_off: BACK_OFF,
            gives_logprobs: Cell::new(false),
        })
    }

    /// The same that repeats at once.
    #[cfg(test)]
    pub(super) fn impatient(self) -> Self {
        Self {
            back_off: Duration::from_millis(1),
            ..self
        }
    }

    /// The host that questions go to.
    pub fn host(&self) -> String {
        self.server.host()
    }

    fn request(&self, prompts: &Prompts<'_>, question: &Question, seed: u64) -> GuideRequest {
        let solved = fitting(self.solved, question, self.spec.examples);
        let bare = prompts.text(question, &[]);
        let whole = prompts.text(question, &solved);
        // What stands in front of the bare question, that of a subject included.
        let own = prompts.protocol.question(question.item());
        let (examples, text) = match whole.strip_suffix(&own) {
            Some(examples) => (examples.to_owned(), own),
            None => (String::new(), bare),
        };
        GuideRequest {
            examples,
            question: with_options(question, &text),
            stops: prompts
                .stops
                .iter()
                .map(|stop| (*stop).to_owned())
                .collect(),
            seed,
            wants_letters: question.has_letters() && self.gives_logprobs.get(),
        }
    }

    /// The hash of all that a server is asked for a question.
    fn hash(&self, request: &GuideRequest) -> String {
        let HttpSpec {
            base_url,
            model,
            api,
            max_tokens,
            temperature,
            ..
        } = self.spec;
        let asked = format!(
            "{base_url}\n{model}\n{api:?}\n{max_tokens}\n{temperature}\n{}\n{}",
            request.examples, request.question
        );
        sha256_hex(asked.as_bytes())
    }

    /// What the server gives, in a sentence.
    ///
    /// # Errors
    /// [`Error::Spec`] where it cannot be reached or refuses.
    pub fn probe(&self, prompts: &Prompts<'_>, question: &Question) -> Result<String> {
        let request = self.request(prompts, question, 0);
        let host = self.host();
        let refuse = |failed: &Failed| Error::spec("guide", failed.reason());
        match self.server.ask(&request, true) {
            Ok(reply) if reply.has_logprobs => {
                self.gives_logprobs.set(true);
                Ok(tr!(
                    "{host} gives text and probabilities of its tokens; the text is used, and \
                     the probabilities of letters",
                    host
                ))
            }
            Ok(_) => Ok(tr!("{host} gives text", host)),
            // Some servers refuse to be asked for probabilities.
            Err(Failed::ForGood(_)) => match self.server.ask(&request, false) {
                Ok(_) => Ok(tr!("{host} gives text", host)),
                Err(failed @ Failed::ForNow(_)) => Ok(said_nothing(&failed)),
                Err(failed) => Err(refuse(&failed)),
            },
            Err(failed @ Failed::ForNow(_)) => Ok(said_nothing(&failed)),
            Err(failed @ Failed::Unreachable(_)) => Err(refuse(&failed)),
        }
    }

    /// Asks every question that is not among `known`. `keep` is given each text as it
    /// comes, to be written down; `alive` is asked often. An error of either ends the
    /// asking at once.
    ///
    /// # Errors
    /// What `keep` or `alive` reports; [`Error::Spec`] where the server refuses for
    /// good.
    pub fn ask(
        &self,
        prompts: &Prompts<'_>,
        questions: &[Question],
        known: &[GuideText],
        keep: &mut dyn FnMut(&GuideText) -> Result<()>,
        alive: &mut dyn FnMut() -> Result<()>,
    ) -> Result<ServerTexts> {
        let known: BTreeMap<(&str, &str), &GuideText> = known
            .iter()
            .map(|text| ((text.id.as_str(), text.prompt_hash.as_str()), text))
            .collect();
        let mut asked = ServerTexts::default();
        let mut ahead = Vec::new();
        for (idx, question) in questions.iter().enumerate() {
            let request = self.request(prompts, question, 0);
            let hash = self.hash(&request);
            match known.get(&(question.id.as_str(), hash.as_str())) {
                Some(text) => asked.texts.push((*text).clone()),
                None => ahead.push(PendingQuestion {
                    idx,
                    request,
                    hash,
                    before: None,
                }),
            }
        }
        let mut heard = Heard {
            prompts,
            questions,
            asked,
            reasons: BTreeMap::new(),
            keep,
            alive,
        };
        // Of a text that nothing can be taken of, another one is asked for, once.
        let again = self.round(ahead, true, &mut heard)?;
        let left = self.round(again, false, &mut heard)?;
        for of in left {
            self.take_unusable(of, &mut heard)?;
        }
        let Heard {
            mut asked, reasons, ..
        } = heard;
        for (reason, n) in reasons {
            asked.notes.push(tr!(
                "{n} questions without a guide's text: {reason}",
                n,
                reason
            ));
        }
        Ok(asked)
    }

    /// Asks these; gives those of which nothing could be taken.
    fn round(
        &self,
        ahead: Vec<PendingQuestion>,
        is_first: bool,
        heard: &mut Heard<'_, '_>,
    ) -> Result<Vec<PendingQuestion>> {
        let n_ahead = ahead.len();
        let receiver = self.begin(&ahead);
        let mut ahead: Vec<Option<PendingQuestion>> = ahead.into_iter().map(Some).collect();
        let mut unusable = Vec::new();
        let (mut n_heard, mut n_failed) = (0, 0);
        while n_heard < n_ahead {
            (heard.alive)()?;
            let (place, reply) = match receiver.replies.recv_timeout(TICK) {
                Ok(reply) => reply,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            n_heard += 1;
            let Some(mut of) = ahead[place].take() else {
                continue;
            };
            match reply {
                Ok(mut reply) => {
                    n_failed = 0;
                    let question = &heard.questions[of.idx];
                    reply.n_tokens += of.before.as_ref().map_or(0, |before| before.n_tokens);
                    if taken(heard.prompts, question, &reply.text).is_ok() {
                        let text = self.text(heard.prompts, question, &of.hash, &reply);
                        (heard.keep)(&text)?;
                        heard.asked.texts.push(text);
                    } else {
                        of.before = Some(reply);
                        of.request.seed += 1;
                        unusable.push(of);
                    }
                }
                Err(Failed::ForGood(reason)) => return Err(Error::spec("guide", reason)),
                Err(failed) => {
                    n_failed += 1;
                    if of.before.is_some() {
                        unusable.push(of);
                    } else {
                        *heard.reasons.entry(failed.reason().to_owned()).or_default() += 1;
                    }
                    if n_failed >= MAX_FAILED {
                        let n_left = n_ahead - n_heard;
                        if is_first {
                            let note = tr!(
                                "{} gave no answer {MAX_FAILED} times in a row; {n_left} \
                                 questions were not asked",
                                self.host(),
                                MAX_FAILED,
                                n_left
                            );
                            heard.asked.notes.push(note);
                        }
                        break;
                    }
                }
            }
        }
        unusable.extend(ahead.into_iter().flatten().filter(|of| of.before.is_some()));
        Ok(unusable)
    }

    /// Writes down that nothing can be taken of a text, so that it is not asked for
    /// again.
    fn take_unusable(&self, of: PendingQuestion, heard: &mut Heard<'_, '_>) -> Result<()> {
        let Some(reply) = &of.before else {
            return Ok(());
        };
        let question = &heard.questions[of.idx];
        let text = self.text(heard.prompts, question, &of.hash, reply);
        (heard.keep)(&text)?;
        if let Err(unusable) = taken(heard.prompts, question, &reply.text) {
            let reason = tr!("its text {}", unusable.name());
            *heard.reasons.entry(reason).or_default() += 1;
        }
        heard.asked.texts.push(text);
        Ok(())
    }

    fn text(
        &self,
        prompts: &Prompts<'_>,
        question: &Question,
        hash: &str,
        reply: &Reply,
    ) -> GuideText {
        let used: Result<_, Unusable> = taken(prompts, question, &reply.text);
        let (text, answer, tokens) = used.unwrap_or_default();
        let n_options = match question.has_letters() {
            true => question.options().len(),
            false => 0,
        };
        GuideText {
            shares: shares(&reply.likeliest, n_options),
            id: question.id.clone(),
            prompt_hash: hash.to_owned(),
            written: kept(&reply.text, &text),
            text,
            answer,
            tokens,
            model: self.spec.model.clone(),
            created: utc_now(),
            n_tokens: reply.n_tokens,
        }
    }

    /// Begins to ask on threads of their own, which end by themselves: a request on
    /// its way cannot be called back, only be left alone.
    fn begin(&self, ahead: &[PendingQuestion]) -> Replies {
        let (sender, replies) = unbounded();
        let ahead: Arc<Vec<GuideRequest>> =
            Arc::new(ahead.iter().map(|of| of.request.clone()).collect());
        let next = Arc::new(AtomicUsize::new(0));
        let is_over = Arc::new(AtomicBool::new(false));
        for _ in 0..self.spec.parallel.min(ahead.len()) {
            let (sender, ahead, next) = (sender.clone(), Arc::clone(&ahead), Arc::clone(&next));
            let (server, is_over) = (self.server.clone(), Arc::clone(&is_over));
            let (retries, back_off) = (self.spec.retries, self.back_off);
            std::thread::spawn(move || {
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    let Some(request) = ahead.get(place) else {
                        break;
                    };
                    let reply = ask_again(&server, request, retries, back_off, &is_over);
                    if is_over.load(Ordering::SeqCst) || sender.send((place, reply)).is_err() {
                        break;
                    }
                }
            });
        }
        Replies { replies, is_over }
    }
}

/// What the user is told where a first question had no answer, which ends nothing.
fn said_nothing(failed: &Failed) -> String {
    tr!(
        "the first question had no answer, others are tried: {}",
        failed.reason()
    )
}

/// A question that is to be asked.
struct PendingQuestion {
    /// Which question.
    idx: usize,
    request: GuideRequest,
    hash: String,
    /// A reply that nothing could be taken of.
    before: Option<Reply>,
}

/// What hears the replies.
struct Heard<'a, 'p> {
    prompts: &'a Prompts<'p>,
    questions: &'a [Question],
    asked: ServerTexts,
    /// Why questions have no text, and how many.
    reasons: BTreeMap<String, usize>,
    keep: &'a mut dyn FnMut(&GuideText) -> Result<()>,
    alive: &'a mut dyn FnMut() -> Result<()>,
}

/// Replies as they come.
struct Replies {
    replies: Receiver<(usize, Result<Reply, Failed>)>,
    is_over: Arc<AtomicBool>,
}

impl Drop for Replies {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

/// Asks until there is an answer, and longer and longer apart.
fn ask_again(
    server: &Server,
    request: &GuideRequest,
    retries: usize,
    back_off: Duration,
    is_over: &AtomicBool,
) -> Result<Reply, Failed> {
    let mut wait = back_off;
    let mut reply = server.ask(request, false);
    for _ in 0..retries {
        match &reply {
            Ok(_) | Err(Failed::ForGood(_)) => break,
            Err(Failed::ForNow(_) | Failed::Unreachable(_)) => {}
        }
        if is_over.load(Ordering::SeqCst) {
            break;
        }
        std::thread::sleep(wait);
        wait = (wait * 2).min(MAX_BACK_OFF);
        reply = server.ask(request, false);
    }
    reply
}

#[cfg(test)]
mod tests;
