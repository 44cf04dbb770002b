//! How much memory there is for a program that has no limit of its own.

use std::fs;
use std::path::{Component, Path};

/// Bytes that a program may have by default: three quarters of what the machine has, or the control group that the process is in, so
/// that a flood of anything ends by our limit, and not by the kernel's choice of a process to kill.
/// `None` where neither says what it has.
pub fn memory() -> Option<u64> {
    let group = control_group(&fs::read_to_string("/proc/self/cgroup").unwrap_or_default(), |path| fs::read_to_string(path).ok());
    let all = group.into_iter().chain(sconce_engine::physical_memory()).min()?;
    Some((all / 4).saturating_mul(3))
}

/// The least limit on memory of the groups in the kernel's list (cgroups(7)) and those above them.
fn control_group(list: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let limits = list.lines().filter_map(|line| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        // A group that is not below what is mounted here (`/..`) says nothing; the mount's own root may.
        let below = Path::new(group.trim_start_matches('/'));
        let inside = below.components().all(|part| matches!(part, Component::Normal(_)));
        let all = if inside { below } else { Path::new("") }.ancestors();
        all.filter_map(|group| read(&Path::new(root).join(group).join(file))?.trim().parse().ok()).min()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_all_groups_above_holds() {
        let files = [
            ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/memory.max", "1048576\n"),
            ("/sys/fs/cgroup/memory.max", "4194304\n"),
            ("/sys/fs/cgroup/memory/c/memory.limit_in_bytes", "2097152\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        let read = |path: &Path| files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).to_owned());
        let cases = [
            ("0::/a/b\n", Some(1 << 20)),
            ("0::/\n", Some(4 << 20)),
            ("0::/../x\n", Some(4 << 20)),
            ("5:cpu,memory:/c\n4:pids:/a\n", Some(2 << 20)),
            ("4:memory:/\n", Some(9_223_372_036_854_771_712)),
            ("1:name=systemd:/a\n", None),
            ("5:cpu,memory:/c\n0::/a\n", Some(1 << 20)),
            ("", None),
            ("no list", None),
        ];
        for (list, limit) in cases {
            assert_eq!(control_group(list, read), limit, "{list}");
        }
    }

    #[test]
    fn there_is_some_memory() {
        assert!(memory().is_some_and(|bytes| bytes > 64 << 20));
    }
}
