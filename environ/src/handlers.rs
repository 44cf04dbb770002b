//! Lists of exception handlers that share their ends.
//!
//! A call meets the handlers of all try regions around it, the inner ones first. Listed for each call that
//! would be the product of calls and regions; but what a region adds stands before what the regions around it
//! have. So a list is the number of its first handler, and each handler has the number of the next: all lists
//! together are of the order of the clauses.

use std::collections::HashMap;

/// A handler of exceptions.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handler {
    /// Offset in the VM context of the pointer to the tag; `None` catches every exception.
    pub tag: Option<u32>,
    /// Whether it wants the exception besides the payload.
    pub wants_exception: bool,
    /// Where it begins.
    pub code_offset: u32,
}

/// What stands for the tag of a handler for all exceptions; other tags are offsets of pointers, which are multiples of 8.
const ANY_TAG: u32 = u32::MAX - 7;

/// Which exceptions a handler is for ([`Handler::tag`]) and whether it wants them, as one number.
pub fn clause(tag: Option<u32>, wants_exception: bool) -> u32 {
    tag.unwrap_or(ANY_TAG) | u32::from(wants_exception)
}

impl Handler {
    /// The handler that such a [`clause`] is of.
    pub fn of_clause(clause: u32, code_offset: u32) -> Handler {
        let (tag, wants_exception) = (clause & !1, clause & 1 != 0);
        Handler { tag: (tag != ANY_TAG).then_some(tag), wants_exception, code_offset }
    }
}

/// The lists of a function's calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandlerLists {
    /// Each handler with the number of the next one, which is lower than its own.
    nodes: Vec<(Handler, Option<u32>)>,
}

impl HandlerLists {
    /// A list that begins with this handler, and goes on as another one that is there already. Behind a
    /// handler for all exceptions nothing is asked.
    ///
    /// # Panics
    /// If there is no such list.
    pub fn push(&mut self, handler: Handler, next: Option<u32>) -> u32 {
        assert!(next.is_none_or(|next| (next as usize) < self.nodes.len()), "lists end");
        self.nodes.push((handler, next.filter(|_| handler.tag.is_some())));
        self.nodes.len() as u32 - 1
    }

    /// A list's handlers, in the order in which they are asked.
    pub fn list(&self, first: u32) -> impl Iterator<Item = Handler> {
        let mut next = Some(first);
        std::iter::from_fn(move || {
            let &(handler, after) = self.nodes.get(next? as usize)?;
            next = after;
            Some(handler)
        })
    }

    /// All handlers, each with the number of the next one.
    pub fn nodes(&self) -> &[(Handler, Option<u32>)] {
        &self.nodes
    }
}

/// Finds out what lists have in common.
#[derive(Debug, Default)]
pub struct HandlerListBuilder {
    lists: HandlerLists,
    known: HashMap<(Handler, Option<u32>), u32>,
}

impl HandlerListBuilder {
    /// A list with these handlers; `None` if there are none.
    pub fn add(&mut self, handlers: &[Handler]) -> Option<u32> {
        let asked = handlers.iter().position(|h| h.tag.is_none()).map_or(handlers, |n| &handlers[..=n]);
        asked.iter().rev().fold(None, |next, &handler| {
            let lists = &mut self.lists;
            Some(*self.known.entry((handler, next)).or_insert_with(|| lists.push(handler, next)))
        })
    }

    /// The lists.
    pub fn finish(self) -> HandlerLists {
        self.lists
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_stand_for_their_handlers() {
        for tag in [None, Some(0), Some(8), Some(ANY_TAG - 8)] {
            for wants_exception in [false, true] {
                let handler = Handler { tag, wants_exception, code_offset: 5 };
                assert_eq!(Handler::of_clause(clause(tag, wants_exception), 5), handler);
            }
        }
    }
}
