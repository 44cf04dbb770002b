//! The name section: read when a name is wanted, which is seldom, and believed as far as it parses.

use crate::index::FuncIndex;
use wasmparser::{BinaryReader, Name, NameSectionReader};

/// Names of functions, borrowed from a name section, by increasing index.
#[derive(Clone, Debug, Default)]
pub struct FunctionNames<'a>(Vec<(FuncIndex, &'a str)>);

impl<'a> FunctionNames<'a> {
    /// Reads the payload of a name section. A malformed section gives the names before the place where it goes wrong.
    pub fn read(section: &'a [u8]) -> FunctionNames<'a> {
        let mut names = Vec::new();
        for subsection in NameSectionReader::new(BinaryReader::new(section, 0)).map_while(Result::ok) {
            if let Name::Function(map) = subsection {
                // No function has the greatest number: the index type reserves it.
                let named = map.into_iter().map_while(Result::ok).filter(|n| n.index != u32::MAX);
                names.extend(named.map(|n| (FuncIndex::from_u32(n.index), n.name)));
            }
        }
        // A section in order is the rule, and sorting it costs one comparison a name. Of two names, the first counts.
        names.sort_by_key(|(index, _)| *index);
        names.dedup_by_key(|(index, _)| *index);
        FunctionNames(names)
    }

    /// The name of a function.
    pub fn get(&self, func: FuncIndex) -> Option<&'a str> {
        let at = self.0.binary_search_by_key(&func, |(index, _)| *index).ok()?;
        Some(self.0[at].1)
    }

    /// All of them, by increasing index.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (FuncIndex, &'a str)> + '_ {
        self.0.iter().copied()
    }
}

/// What a name section names.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Functions.
    Functions,
    /// Tags.
    Tags,
}

/// Names of a few things, in the order of `wanted`, which is increasing. Unlike [`FunctionNames::read`] it
/// keeps nothing of the section, which may be larger than anybody wants to wait for: `go_on` is asked at each
/// name.
pub fn find<'a>(section: &'a [u8], of: Names, wanted: &[u32], go_on: &mut dyn FnMut() -> bool) -> Vec<Option<&'a str>> {
    let mut found = vec![None; wanted.len()];
    let mut missing = wanted.len();
    for subsection in NameSectionReader::new(BinaryReader::new(section, 0)).map_while(Result::ok) {
        let map = match (subsection, of) {
            (Name::Function(map), Names::Functions) | (Name::Tag(map), Names::Tags) => map,
            _ => continue,
        };
        for naming in map.into_iter().map_while(Result::ok) {
            if missing == 0 || !go_on() {
                return found;
            }
            // Of two names, the first counts.
            if let Ok(at) = wanted.binary_search(&naming.index)
                && found[at].is_none()
            {
                found[at] = Some(naming.name);
                missing -= 1;
            }
        }
    }
    found
}

/// The module's own name in a name section, if it parses that far.
pub fn module_name(section: &[u8]) -> Option<&str> {
    let mut subsections = NameSectionReader::new(BinaryReader::new(section, 0)).map_while(Result::ok);
    // It comes first, wherever it stands in order: nothing behind the functions' names need be looked at.
    subsections.find_map(|s| if let Name::Module { name, .. } = s { Some(name) } else { None })
}
