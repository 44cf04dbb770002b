//! The verifier: recomputes every count from what is really there. Runs after each sweep in stores that sweep at every safe
//! point, and where tests ask for it; what it finds is a bug, so it panics.

use super::frames;
use crate::store::Store;
use sconce_environ::heap::state;
use sconce_environ::types::RefKind;
use std::collections::HashMap;

impl Store {
    /// Verifies what sweeps of a store that sweeps at every safe point verify. In other stores nobody knows
    /// what the host holds, so it must hold nothing.
    ///
    /// # Panics
    /// If a count is wrong, an object is nobody's, or a frame holds what the activations table does not name.
    pub fn verify_references(&mut self) {
        self.heap.settle_host();
        // SAFETY: no reference but `self`, which is used again only afterwards.
        unsafe { Store::settle(self) };
        self.verify_heap();
    }

    /// # Panics
    /// If a count is wrong, an object is nobody's, or a frame holds what the activations table does not name.
    pub(crate) fn verify_heap(&mut self) {
        let mut counts: HashMap<u32, u64> = HashMap::new();
        let mut count = |handle: u32, by: u64| {
            if handle != 0 {
                *counts.entry(handle).or_default() += by;
            }
        };
        let heap = &self.heap;
        heap.activations.entries().iter().for_each(|&h| count(h, 1));
        heap.held.iter().for_each(|&h| count(h, 1));
        heap.host_held.borrow().iter().for_each(|(&h, &n)| count(h, n));
        for table in self.tables.iter().filter(|t| t.kind() == RefKind::Handle) {
            (0..table.len()).for_each(|i| count(table.get(i).unwrap_or(0) as u32, 1));
        }
        for global in &self.globals {
            if global.ty.content.is_handle() {
                count(global.get() as u32, 1);
            }
        }
        for handle in heap.cage.objects() {
            // SAFETY: a live object.
            unsafe { heap.children(heap.cage.at(handle)) }.into_iter().for_each(|h| count(h, 1));
        }

        let mut objects = 0;
        for handle in heap.cage.objects() {
            objects += 1;
            // SAFETY: a live object.
            let found = unsafe { (*heap.cage.at(handle)).state };
            let wanted = counts.remove(&handle).unwrap_or(0);
            assert!(found / state::ONE == wanted, "object {handle:#x} has count {}, but {wanted} references", found / state::ONE);
            assert!(wanted > 0, "object {handle:#x} is nobody's");
            assert!(found & state::MARKED == 0, "object {handle:#x} is marked");
            let entries = heap.activations.entries().iter().filter(|&&h| h == handle).count() as u64;
            assert!(found & state::IN_TABLE == entries, "object {handle:#x} has {entries} entries and state {found:#x}");
        }
        assert!(counts.is_empty(), "references to what is no object: {counts:x?}");
        assert!(objects == heap.objects, "{objects} objects, {} counted", heap.objects);

        let mut maps = std::mem::take(&mut self.heap.maps);
        frames::walk(&self.shared, &mut maps, |handle| {
            assert!(
                handle == 0 || self.heap.activations.entries().contains(&handle),
                "a frame holds {handle:#x}, which is not in the table"
            );
        });
        self.heap.maps = maps;
    }
}
