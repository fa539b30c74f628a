//! Doing each thing once at a time: what is wanted again meanwhile is done once more afterwards.
//!
//! Much may happen while the node is busy, and all of it may want the same list anew. However much
//! that is, one question of a kind is on its way and at most one waits.

/// Things being done, each with what is to be done after it. As many as there are keys at most.
pub(super) struct Turns<K, T>(Vec<(K, Option<T>)>);

impl<K, T> Default for Turns<K, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq, T> Turns<K, T> {
    /// Gives what is to be done now: nothing while the same is being done. Then the latest waits.
    pub(super) fn begin(&mut self, key: K, wanted: T) -> Option<T> {
        match self.0.iter_mut().find(|(other, _)| *other == key) {
            Some((_, next)) => {
                *next = Some(wanted);
                None
            }
            None => {
                self.0.push((key, None));
                Some(wanted)
            }
        }
    }

    /// It is done: gives what waited for that, to be done now.
    pub(super) fn end(&mut self, key: &K) -> Option<T> {
        let at = self.0.iter().position(|(other, _)| other == key)?;
        let next = self.0.get_mut(at).and_then(|(_, next)| next.take());
        if next.is_none() {
            self.0.swap_remove(at);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_wishes_of_a_kind_are_two_questions() {
        let mut turns = Turns::default();
        assert_eq!(turns.begin("list", 0), Some(0));
        assert!((1..1_000).all(|n| turns.begin("list", n).is_none()));
        assert_eq!(turns.begin("status", 7), Some(7));
        assert_eq!(turns.end(&"list"), Some(999));
        assert_eq!(turns.end(&"list"), None);
        assert_eq!(turns.begin("list", 1_000), Some(1_000));
        assert_eq!((turns.end(&"status"), turns.end(&"nothing")), (None, None));
        assert_eq!(turns.0.len(), 1);
    }
}
