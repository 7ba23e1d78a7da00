//! Numbered slots that never move.

/// Values by small numbers. It grows by chunks: no pause for copying, and no room kept for twice as many.
#[derive(Debug)]
pub(super) struct Slab<T> {
    chunks: Vec<Box<[Option<T>]>>,
    free: Vec<u32>,
    used: u32,
}

impl<T> Slab<T> {
    const CHUNK: usize = 64;

    pub(super) fn new() -> Slab<T> {
        Slab {
            chunks: Vec::new(),
            free: Vec::new(),
            used: 0,
        }
    }

    /// Numbers beyond this one have never been given out.
    pub(super) fn end(&self) -> u32 {
        self.used
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        self.chunks
            .get(number / Self::CHUNK)?
            .get(number % Self::CHUNK)?
            .as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.entry(number)?.as_mut()
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            let number = self.used;
            self.used += 1;
            if number as usize == self.chunks.len() * Self::CHUNK {
                self.chunks.push((0..Self::CHUNK).map(|_| None).collect());
            }
            number
        });
        if let Some(entry) = self.entry(number) {
            *entry = Some(value);
        }
        number
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let value = self.entry(number)?.take()?;
        self.free.push(number);
        Some(value)
    }

    fn entry(&mut self, number: u32) -> Option<&mut Option<T>> {
        let number = number as usize;
        self.chunks
            .get_mut(number / Self::CHUNK)?
            .get_mut(number % Self::CHUNK)
    }
}
