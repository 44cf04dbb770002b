//! File systems that are no storage: by what is read and written there, the kernel and processes are controlled,
//! the one that runs the guest among them.

use rustix::fd::BorrowedFd;
use rustix::io::Result;

/// Such a kind of file system.
#[derive(Debug)]
pub(crate) struct Control {
    /// What `statfs` says (`linux/magic.h`, or the file system's source).
    magic: i64,
    name: &'static str,
    /// What it gives into the hands of whoever reaches it.
    gives: &'static str,
}

const PROCESSES: &str = "processes, this one's memory among them";
const KERNEL: &str = "settings of the kernel and its drivers";
const GROUPS: &str = "groups of processes, this one among them";
const CODE: &str = "programs that run in the kernel";
const TRACES: &str = "what the kernel and processes do and hold";
const POLICY: &str = "the kernel's security policy";
const MACHINE: &str = "the machine's firmware or hypervisor";

/// All of them.
const CONTROLS: &[Control] = &[
    Control::of(0x9fa0, "procfs", PROCESSES),
    Control::of(0x6e73_6673, "nsfs", PROCESSES),
    Control::of(0x5049_4446, "pidfs", PROCESSES),
    Control::of(0x6265_6572, "sysfs", KERNEL),
    Control::of(0x6265_6570, "configfs", KERNEL),
    Control::of(0x4249_4e4d, "binfmt_misc", KERNEL),
    Control::of(0x6573_5543, "fusectl", KERNEL),
    Control::of(0x6c6f_6f70, "binderfs", KERNEL),
    Control::of(0x0027_e0eb, "cgroup", GROUPS),
    Control::of(0x6367_7270, "cgroup2", GROUPS),
    Control::of(0x0765_5821, "resctrl", GROUPS),
    Control::of(0xcafe_4a11, "bpf", CODE),
    Control::of(0x6462_6720, "debugfs", TRACES),
    Control::of(0x7472_6163, "tracefs", TRACES),
    Control::of(0x6165_676c, "pstore", TRACES),
    Control::of(0x7363_6673, "securityfs", POLICY),
    Control::of(0xf97c_ff8c, "selinuxfs", POLICY),
    Control::of(0x4341_5d53, "smackfs", POLICY),
    Control::of(0x5a3c_69f0, "apparmorfs", POLICY),
    Control::of(0xde5e_81e4, "efivarfs", MACHINE),
    Control::of(0x9fa1, "openpromfs", MACHINE),
    Control::of(0xabba_1974, "xenfs", MACHINE),
];

impl Control {
    const fn of(magic: i64, name: &'static str, gives: &'static str) -> Control {
        Control { magic, name, gives }
    }

    /// The one that a file is on, if it is on such a one.
    pub(super) fn over(file: BorrowedFd<'_>) -> Result<Option<&'static Control>> {
        let magic = rustix::fs::fstatfs(file)?.f_type;
        Ok(CONTROLS.iter().find(|control| control.magic == magic))
    }
}

impl std::fmt::Display for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, which gives access to {}", self.name, self.gives)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;

    #[test]
    fn rows_are_what_the_kernel_calls_so() {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        for mount in mounts.lines() {
            let mut words = mount.split(' ').skip(1);
            let (Some(place), Some(kind)) = (words.next(), words.next()) else { panic!("{mount}") };
            // What is mounted over it, or cannot be entered, is no example.
            let Ok(place) = std::fs::File::open(place) else { continue };
            let found = Control::over(place.as_fd()).unwrap().map(|control| control.name);
            let names =
                ["proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "bpf", "configfs", "selinuxfs"];
            let known = names.contains(&kind) || ["efivarfs", "pstore", "binfmt_misc", "fusectl", "nsfs"].contains(&kind);
            if known {
                assert!(found.is_some_and(|name| name.starts_with(kind)), "{mount}: {found:?}");
            } else if ["ext4", "xfs", "btrfs", "tmpfs", "devtmpfs", "devpts", "overlay"].contains(&kind) {
                assert!(found.is_none(), "{mount}: {found:?}");
            }
        }
        for (i, control) in CONTROLS.iter().enumerate() {
            assert!(CONTROLS[..i].iter().all(|other| other.magic != control.magic), "{control}");
        }
    }
}
