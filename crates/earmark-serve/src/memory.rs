//! A bound on the bytes that many requests hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may be held, and those that are.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    used: AtomicUsize,
}

/// Bytes that are counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    memory: Arc<Memory>,
    bytes: usize,
}

/// As many bytes are held as may be.
#[derive(Debug)]
pub(crate) struct Full;

impl Memory {
    pub(crate) fn new(limit: usize) -> Arc<Memory> {
        Arc::new(Memory { limit, used: AtomicUsize::new(0) })
    }

    /// Bytes that are held.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Room for so many bytes.
    pub(crate) fn room(self: &Arc<Memory>, bytes: usize) -> Result<Room, Full> {
        let mut room = Room { memory: Arc::clone(self), bytes: 0 };
        room.grow(bytes)?;
        Ok(room)
    }
}

impl Room {
    /// Room for so many bytes more.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let Memory { limit, used } = &*self.memory;
        let more = |held: usize| held.checked_add(bytes).filter(|held| held <= limit);
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map_err(|_| Full)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_and_given_back() {
        let memory = Memory::new(10);
        let mut first = memory.room(6).unwrap();
        let second = memory.room(4).unwrap();
        assert!(memory.room(1).is_err() && first.grow(usize::MAX).is_err());
        assert_eq!(memory.used(), 10);
        drop(second);
        first.grow(3).unwrap();
        assert_eq!(memory.used(), 9);
        drop(first);
        assert_eq!(memory.used(), 0);
    }
}
