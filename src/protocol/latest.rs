//! A slot that holds the newest of what is put into it: matrices go through it
//! rather than through the events, whose queue would grow while nobody looks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::event::RunId;
use crate::tuning::method::tuned::Tuned;

/// A slot for one value, of which the newest wins.
#[derive(Debug)]
pub struct Latest<T>(Mutex<Option<T>>);

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Latest<T> {
    /// Puts a value in, in place of one that nobody took.
    pub fn publish(&self, value: T) {
        // The old value is dropped after the lock, for it may be large.
        let _old = self.lock().replace(value);
    }

    /// Takes the value out, if there is a new one.
    pub fn take(&self) -> Option<T> {
        self.lock().take()
    }

    /// Whether the last value was taken, so that a new one would be seen.
    pub fn is_empty(&self) -> bool {
        self.lock().is_none()
    }

    /// A holder that panicked left a whole value or none.
    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run as it was after a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StateSnapshot {
    /// The run.
    pub run: RunId,
    /// Steps done.
    pub step: usize,
    /// S_0 of every layer, and the branch of a lifted run.
    pub tuned: Tuned,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn the_newest_wins_and_is_taken_once() {
        let slot = Latest::default();
        assert!(slot.is_empty());
        assert_eq!(slot.take(), None);
        slot.publish(1);
        slot.publish(2);
        assert!(!slot.is_empty());
        assert_eq!(slot.take(), Some(2));
        assert_eq!(slot.take(), None);
        assert!(slot.is_empty());
    }

    #[test]
    fn a_value_that_nobody_takes_is_dropped_with_the_next() {
        let slot = Latest::default();
        let first = Arc::new(());
        slot.publish(first.clone());
        slot.publish(Arc::new(()));
        assert_eq!(Arc::strong_count(&first), 1);
    }

    #[test]
    fn readers_on_another_thread_see_values_in_order() {
        let slot = Arc::new(Latest::default());
        let writer = {
            let slot = slot.clone();
            thread::spawn(move || (1..=10_000).for_each(|value| slot.publish(value)))
        };
        let mut last = 0;
        while last < 10_000 {
            if let Some(value) = slot.take() {
                assert!(value > last, "{value} after {last}");
                last = value;
            } else if writer.is_finished() && slot.is_empty() {
                break;
            }
        }
        writer.join().unwrap();
        assert!(last == 10_000 || slot.take() == Some(10_000));
    }

    #[test]
    fn a_panic_of_a_holder_does_not_close_the_slot() {
        let slot = Arc::new(Latest::default());
        let held = slot.clone();
        let thread = thread::spawn(move || {
            let _held = held.lock();
            panic!("while it is held");
        });
        assert!(thread.join().is_err());
        slot.publish(3);
        assert_eq!(slot.take(), Some(3));
    }
}
