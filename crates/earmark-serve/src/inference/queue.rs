//! A request waits here until it may run: a bounded line, first come, first served.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How often a request is told how far it is.
pub(crate) const TELL: Duration = Duration::from_millis(500);

/// The line.
#[derive(Debug)]
pub(crate) struct Queue {
    running: Arc<Semaphore>,
    most_waiting: usize,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    next: u64,
    waiting: BTreeSet<u64>,
}

/// A place in the line; dropping it leaves the line.
#[derive(Debug)]
pub(crate) struct Place {
    queue: Arc<Queue>,
    number: u64,
}

/// The line is full.
#[derive(Debug)]
pub(crate) struct Full {
    pub(crate) waiting: usize,
}

impl Queue {
    pub(crate) fn new(running: usize, most_waiting: usize) -> Arc<Queue> {
        Arc::new(Queue { running: Arc::new(Semaphore::new(running)), most_waiting, line: Mutex::default() })
    }

    /// A place at the end of the line.
    pub(crate) fn join(self: &Arc<Queue>) -> Result<Place, Full> {
        let mut line = self.lock();
        let waiting = line.waiting.len();
        // Who can run at once waits for nobody.
        if waiting >= self.most_waiting + self.running.available_permits() {
            return Err(Full { waiting });
        }
        let number = line.next;
        line.next += 1;
        line.waiting.insert(number);
        Ok(Place { queue: Arc::clone(self), number })
    }

    /// How many are before the place with this number.
    fn before(&self, number: u64) -> usize {
        self.lock().waiting.range(..number).count()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits for the turn, and tells now and then how many are before it; the request runs as long as the permit lives.
    pub(crate) async fn turn(self, mut told: impl FnMut(usize)) -> OwnedSemaphorePermit {
        let mut permit = pin!(Arc::clone(&self.queue.running).acquire_owned());
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                biased;
                permit = &mut permit => return permit.expect("the semaphore is never closed"),
                () = tokio::time::sleep(pause) => told(self.queue.before(self.number)),
            }
            pause = TELL;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_line_is_bounded_and_a_place_that_is_dropped_leaves_it() {
        let queue = Queue::new(1, 2);
        let running = queue.join().unwrap().turn(|_| panic!("nobody is before it")).await;
        let first = queue.join().unwrap();
        let second = queue.join().unwrap();
        assert_eq!((queue.before(first.number), queue.before(second.number)), (0, 1));
        assert_eq!(queue.join().unwrap_err().waiting, 2);
        drop(first);
        assert_eq!((queue.before(second.number), queue.waiting()), (0, 1));
        let third = queue.join().unwrap();
        assert_eq!(queue.before(third.number), 1);
        drop(running);
        let _running = second.turn(|_| ()).await;
        assert_eq!(queue.before(third.number), 0);
    }

    #[tokio::test]
    async fn who_waits_is_told_how_many_are_before_it_until_its_turn() {
        let queue = Queue::new(1, 3);
        let running = queue.join().unwrap().turn(|_| ()).await;
        let mut before = vec![queue.join().unwrap(), queue.join().unwrap()];
        let mut running = Some(running);
        let mut told = Vec::new();
        let last = queue.join().unwrap();
        let _turn = last
            .turn(|count| {
                told.push(count);
                if before.pop().is_none() {
                    running = None;
                }
            })
            .await;
        assert_eq!(told, [2, 1, 0]);
    }
}
