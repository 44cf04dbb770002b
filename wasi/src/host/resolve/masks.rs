//! Directories that no path of the guest's leads into or onto: the runtime's own, and the machine's devices.
//!
//! They are known by identity (device and inode), and each directory that a path enters is compared with them after it is
//! open and before anything is done in it. So it does not matter by which names, links or mounts it was reached, nor who
//! renames what meanwhile. Three things besides:
//!
//! - The directories above a masked one, and links on the way to it, can be followed, but the guest cannot rename or remove
//!   them: another tree in their stead would be what the runtime takes for its own at its next start.
//! - Of a masked directory that is not there, the first missing name is masked in the directory where it would be, so
//!   that the guest does not make it.
//! - Whether a directory that is given may lead to a masked one is found out once ([`Way`]). Where it cannot, as long as no mount
//!   is crossed, paths are the kernel's to follow, within the mount; what is beyond is walked by steps.

use super::controls::Control;
use super::limits::{MAX_LINKS, STEP};
use super::path::{Place, Way};
use crate::host::denial::{self, Rule};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, StatxFlags};
use rustix::io::{Errno, Result};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Device and inode.
pub(super) type FileId = (u64, u64);

pub(super) fn id(stat: &Stat) -> FileId {
    (stat.st_dev, stat.st_ino)
}

/// Where devices are.
const DEVICES: &str = "/dev";

/// Why a directory cannot be given to a guest.
#[derive(Debug)]
pub(crate) enum Unfit {
    Controls(&'static Control),
    /// It is this directory, or in it.
    Masked(PathBuf),
}

/// All masked directories of a context.
#[derive(Debug, Default)]
pub(crate) struct Masks(Vec<Masked>);

/// One of them.
#[derive(Debug)]
struct Masked {
    path: PathBuf,
    /// It, or the innermost directory on the way to it that is there.
    there: FileId,
    mount: Mount,
    /// The first name on the way that is missing, or no directory that could be opened.
    missing: Option<Vec<u8>>,
    /// The directories above `there`, and those that links in its path are in and below.
    above: Vec<FileId>,
    /// Those links: in which directory, and their names.
    links: Vec<(FileId, Vec<u8>)>,
    kind: Kind,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// The runtime's.
    Own,
    /// [`DEVICES`]; where that is a file system of its own, that one's number, since parts of it may be mounted elsewhere.
    Devices(Option<u64>),
}

impl Masks {
    /// Of these directories and [`DEVICES`]. One that the user may not look for is nothing that the guest could reach.
    ///
    /// # Errors
    /// When one cannot be looked for otherwise: what is not masked would be reached.
    pub(crate) fn new(paths: &[PathBuf]) -> Result<Masks> {
        let masked = |path: &Path| match Masked::find(path) {
            Err(e @ (Errno::ACCESS | Errno::PERM | Errno::NOENT)) => {
                log::debug!("{} is not masked: {e}", path.display());
                Ok(None)
            }
            found => found.map(Some),
        };
        let devices = masked(DEVICES.as_ref())?.filter(|devices| devices.missing.is_none()).map(|devices| Masked {
            kind: Kind::Devices(Some(devices.there.0).filter(|device| devices.above.first().is_some_and(|up| up.0 != *device))),
            ..devices
        });
        let paths: Vec<Option<Masked>> = paths.iter().map(|path| masked(path)).collect::<Result<_>>()?;
        Ok(Masks(paths.into_iter().flatten().chain(devices).collect()))
    }

    /// Where a directory is that is to be given, if it may be.
    pub(crate) fn fit(&self, dir: BorrowedFd<'_>, stat: &Stat) -> Result<std::result::Result<Place, Unfit>> {
        if let Some(control) = Control::over(dir)? {
            return Ok(Err(Unfit::Controls(control)));
        }
        let this = id(stat);
        let above = above(dir)?;
        let within = |masked: &Masked| masked.missing.is_none() && (masked.there == this || above.contains(&masked.there));
        let mut devices = false;
        for masked in &self.0 {
            match masked.kind {
                Kind::Own if within(masked) => return Ok(Err(Unfit::Masked(masked.path.clone()))),
                // Devices that are asked for by name are meant.
                Kind::Devices(device) => devices = device == Some(this.0) || within(masked),
                Kind::Own => {}
            }
        }
        let mount = Mount::of(dir)?;
        let near = |masked: &Masked| !(devices && masked.kind != Kind::Own) && masked.may_be_below(this, mount);
        let way = if self.0.iter().any(near) { Way::Steps } else { Way::Whole };
        Ok(Ok(Place { id: this, way, devices }))
    }

    /// Whether what has this name in a directory, and this status, must not be reached.
    #[inline(always)]
    pub(super) fn hides(&self, dir: Place, name: &[u8], stat: &Stat) -> bool {
        self.0.iter().any(|masked| masked.is(dir, stat) || masked.would_be(dir, name))
    }

    /// What was found in a directory: it as a place; `EPERM` if it must not be reached.
    pub(super) fn admit(&self, dir: Place, file: impl AsFd, stat: &Stat) -> Result<Place> {
        if let Some(masked) = self.0.iter().find(|masked| masked.is(dir, stat)) {
            log::debug!("a path of the program's into {} is refused", masked.path.display());
            return Err(denial::refuse(masked.rule()));
        }
        if stat.st_dev != dir.id.0
            && let Some(control) = Control::over(file.as_fd())?
        {
            log::debug!("a path of the program's is refused: it leads to {control}");
            return Err(denial::refuse(Rule::Controls(control.to_string())));
        }
        Ok(Place { id: id(stat), ..dir })
    }

    /// `EPERM` for a name that is on the way to a masked directory which was not there.
    pub(super) fn admit_name(&self, dir: Place, name: &[u8]) -> Result<()> {
        match self.0.iter().find(|masked| masked.would_be(dir, name)) {
            None => Ok(()),
            Some(masked) => {
                log::debug!("a path of the program's to where {} would be is refused", masked.path.display());
                Err(denial::refuse(masked.rule()))
            }
        }
    }

    /// [`Masks::admit`] for a name that an operation is about to take, whatever is there now.
    pub(super) fn admit_entry(&self, dir: Place, fd: BorrowedFd<'_>, name: &[u8], change: Change) -> Result<()> {
        self.admit_name(dir, name)?;
        let stat = match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // Whatever that is, the operation itself will say it.
            Err(_) => return Ok(()),
        };
        self.admit_found(dir, fd, name, &stat)?;
        if change == Change::Moves
            && let Some(masked) = self.0.iter().find(|masked| masked.needs(dir, name, &stat))
        {
            log::debug!("what leads to a masked directory cannot be renamed or removed by the program");
            return Err(denial::refuse(Rule::LeadsToMasked(masked.path.clone())));
        }
        Ok(())
    }

    /// [`Masks::admit`] for a name of which the status is known, and that is not open.
    pub(super) fn admit_found(&self, dir: Place, fd: BorrowedFd<'_>, name: &[u8], stat: &Stat) -> Result<()> {
        if stat.st_dev == dir.id.0 {
            return self.admit(dir, fd, stat).map(drop);
        }
        let there = rustix::fs::openat(fd, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let stat = rustix::fs::fstat(&there)?;
        self.admit(dir, there, &stat).map(drop)
    }
}

/// What an operation does with a name.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// What has that name keeps it.
    Stays,
    /// It loses it.
    Moves,
}

impl Masked {
    fn find(path: &Path) -> Result<Masked> {
        let (mut at, mut missing) = (path, None);
        let there = loop {
            match rustix::fs::openat(CWD, or_here(at), STEP, Mode::empty()) {
                // What is no directory now, or leads nowhere, can be made one.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => {
                    let name = at.file_name().ok_or(Errno::NOENT)?;
                    missing = Some(name.as_bytes().to_vec());
                    at = at.parent().ok_or(Errno::NOENT)?;
                }
                opened => break opened?,
            }
        };
        let stat = rustix::fs::fstat(&there)?;
        let mut masked = Masked {
            path: path.to_owned(),
            there: id(&stat),
            mount: Mount::of(there.as_fd())?,
            missing,
            above: above(there.as_fd())?,
            links: Vec::new(),
            kind: Kind::Own,
        };
        masked.note_links(path, MAX_LINKS)?;
        Ok(masked)
    }

    /// Notes the links that a path goes through, and the directories above them.
    fn note_links(&mut self, path: &Path, most: usize) -> Result<()> {
        for link in path.ancestors() {
            let (Ok(text), Some(parent), Some(name)) = (std::fs::read_link(link), link.parent(), link.file_name()) else {
                continue;
            };
            let dir = rustix::fs::openat(CWD, or_here(parent), STEP, Mode::empty())?;
            let dir_id = id(&rustix::fs::fstat(&dir)?);
            self.links.push((dir_id, name.as_bytes().to_vec()));
            self.above.push(dir_id);
            self.above.extend(above(dir.as_fd())?);
            if let Some(most) = most.checked_sub(1) {
                self.note_links(&parent.join(text), most)?;
            }
        }
        Ok(())
    }

    /// Whether it is what has this status.
    #[inline(always)]
    fn is(&self, from: Place, stat: &Stat) -> bool {
        let is_there = self.missing.is_none() && self.there == id(stat);
        match self.kind {
            Kind::Own => is_there,
            Kind::Devices(device) => !from.devices && (is_there || device == Some(stat.st_dev)),
        }
    }

    fn rule(&self) -> Rule {
        match self.kind {
            Kind::Own => Rule::Masked(self.path.clone()),
            Kind::Devices(_) => Rule::Devices,
        }
    }

    /// Whether a name in a directory is the first on the way to it that was missing.
    fn would_be(&self, dir: Place, name: &[u8]) -> bool {
        self.there == dir.id && self.missing.as_deref() == Some(name)
    }

    /// Whether what has this name and status is on the way to it.
    fn needs(&self, dir: Place, name: &[u8], stat: &Stat) -> bool {
        let found = id(stat);
        let is_above = self.above.contains(&found) || self.missing.is_some() && self.there == found;
        self.kind == Kind::Own && (is_above || self.links.iter().any(|(above, link)| *above == dir.id && link == name))
    }

    /// Whether a way may lead to it from a directory, without a step to another mount. In one mount the directories above it
    /// are the only ones; what another mount of the same file system shows of it nobody can say.
    fn may_be_below(&self, dir: FileId, mount: Mount) -> bool {
        let same_mount = self.mount.number.is_some() && self.mount.number == mount.number;
        let same_system = self.there.0 == dir.0 || self.mount.subvolumes && mount.subvolumes;
        self.there == dir || self.above.contains(&dir) || !same_mount && same_system
    }
}

/// What there is to know of the mount that a file is in.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// If the kernel says it (since 5.8).
    number: Option<u64>,
    /// Whether parts of its file system have device numbers of their own (btrfs, bcachefs).
    subvolumes: bool,
}

impl Mount {
    fn of(file: BorrowedFd<'_>) -> Result<Mount> {
        let subvolumes = matches!(rustix::fs::fstatfs(file)?.f_type, 0x9123_683e | 0xca45_1a4e);
        Ok(Mount { number: Mount::number(file), subvolumes })
    }

    fn number(file: BorrowedFd<'_>) -> Option<u64> {
        let found = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
        (found.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(found.stx_mnt_id)
    }
}

/// A path's parent as it is opened.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// The directories above one, up to the root or to where they cannot be searched.
fn above(dir: BorrowedFd<'_>) -> Result<Vec<FileId>> {
    let mut all = Vec::new();
    // A directory may be mounted in itself, so that only with the mount it is known again.
    let whole = |dir: BorrowedFd<'_>| Ok::<_, Errno>((id(&rustix::fs::fstat(dir)?), Mount::number(dir)));
    let mut below = whole(dir)?;
    let mut held: Option<OwnedFd> = None;
    loop {
        let at = held.as_ref().map_or(dir, AsFd::as_fd);
        let up = match rustix::fs::openat(at, "..", STEP, Mode::empty()) {
            Ok(up) => up,
            // Such a directory can be handed over by another process.
            Err(Errno::ACCESS) => return Ok(all),
            Err(e) => return Err(e),
        };
        let this = whole(up.as_fd())?;
        // The root's parent is the root.
        if this == below {
            return Ok(all);
        }
        all.push(this.0);
        (below, held) = (this, Some(up));
    }
}
