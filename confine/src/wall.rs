//! What holds of what was given up.

use std::fmt;

/// Whether one of the walls holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wall {
    /// It does.
    Stands,
    /// Not all of it: why.
    Partial(String),
    /// It does not: why.
    Missing(String),
    /// Nobody wants it: why.
    Unwanted(&'static str),
}

/// What holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walls(Vec<(&'static str, Wall)>);

impl Wall {
    /// Whether something was given up.
    pub fn of(done: std::io::Result<()>) -> Wall {
        done.map_or_else(|e| Wall::Missing(e.to_string()), |()| Wall::Stands)
    }
}

impl Walls {
    pub(crate) fn new(walls: Vec<(&'static str, Wall)>) -> Walls {
        Walls(walls)
    }

    /// One more.
    pub fn add(&mut self, name: &'static str, wall: Wall) {
        self.0.push((name, wall));
    }

    /// Those that are wanted and do not hold as a whole, each with the reason.
    pub fn gaps(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().filter_map(|(name, wall)| match wall {
            Wall::Stands | Wall::Unwanted(_) => None,
            Wall::Partial(why) | Wall::Missing(why) => Some((*name, why.as_str())),
        })
    }
}

/// One line.
impl fmt::Display for Walls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, wall)) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            match wall {
                Wall::Stands => write!(f, "{separator}{name}"),
                Wall::Partial(why) => write!(f, "{separator}{name} in part ({why})"),
                Wall::Missing(why) => write!(f, "{separator}not {name} ({why})"),
                Wall::Unwanted(why) => write!(f, "{separator}not {name} ({why})"),
            }?;
        }
        Ok(())
    }
}
