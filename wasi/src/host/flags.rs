//! Flags of what is open, as programs set them.

use rustix::fs::OFlags;

/// A set of them. The kernel's own do not tell `RSYNC` from `SYNC`, which programs get back as they
/// set them.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// Writes go to the end.
    pub(crate) const APPEND: Flags = Flags(1 << 0);
    /// What would wait is `EAGAIN`.
    pub(crate) const NONBLOCK: Flags = Flags(1 << 1);
    /// Writes return when the data is on the disk.
    pub(crate) const DSYNC: Flags = Flags(1 << 2);
    /// Reads return what is on the disk.
    pub(crate) const RSYNC: Flags = Flags(1 << 3);
    /// Writes return when data and status are on the disk.
    pub(crate) const SYNC: Flags = Flags(1 << 4);

    /// Of the kernel's flags.
    pub(crate) fn of(host: OFlags) -> Flags {
        let pairs = [
            (OFlags::APPEND, Flags::APPEND),
            (OFlags::NONBLOCK, Flags::NONBLOCK),
            (OFlags::DSYNC, Flags::DSYNC),
            // O_SYNC includes O_DSYNC's bit; on Linux it is what O_RSYNC means, too.
            (OFlags::SYNC, Flags::SYNC.union(Flags::RSYNC)),
        ];
        pairs.iter().filter(|(of_host, _)| host.contains(*of_host)).fold(Flags(0), |all, (_, flag)| all.union(*flag))
    }

    pub(crate) const fn union(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    pub(crate) const fn intersection(self, other: Flags) -> Flags {
        Flags(self.0 & other.0)
    }

    pub(crate) const fn difference(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether any of the others is in it.
    pub(crate) const fn has(self, other: Flags) -> bool {
        !self.intersection(other).is_empty()
    }

    /// As a number that [`Flags::from_bits`] takes back.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Flags {
        Flags(bits)
    }
}
