//! What is done to the tree once it is filled: what sbx made becomes read-only, and what proc has no
//! need to show is covered.

use std::path::Path;

use super::{Base, Node, Tree};
use crate::diag::Origin;
use crate::facts::Facts;
use crate::plan::{Action, Builder};

impl Tree<'_> {
    /// Makes read-only what sbx filled itself, and covers what proc has no need to show.
    pub fn seal(&self, root: bool, origin: Origin, plan: &mut Builder) {
        for (path, entry) in &self.nodes {
            if entry.node == Node::Proc {
                proc_covers(path, entry.origin, self.facts, plan);
            }
            if path == Path::new("/dev") && matches!(entry.node, Node::Tmpfs { .. }) {
                plan.push(Action::ReadOnly { target: path.into() }, entry.origin);
            }
        }
        if root && matches!(self.base, Base::Made) {
            plan.push(Action::ReadOnly { target: "/".into() }, origin);
        }
    }
}

/// Files of proc that a program has no need to see or touch, most of them readable by root alone.
const PROC_FILES: [&str; 11] = [
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "sched_debug",
    "sysrq-trigger",
    "timer_list",
];
/// Directories of proc that read empty.
const PROC_DIRECTORIES: [&str; 3] = ["acpi", "asound", "scsi"];
/// Directories of proc that stay readable.
const PROC_READ_ONLY: [&str; 4] = ["bus", "fs", "irq", "sys"];

fn proc_covers(proc: &Path, origin: Origin, facts: &dyn Facts, plan: &mut Builder) {
    let there = |name: &&&str| facts.file(&Path::new("/proc").join(name)).is_some();
    for name in PROC_READ_ONLY.iter().filter(there) {
        plan.push(Action::ReadOnlySubtree { target: proc.join(name).into() }, origin);
    }
    for name in PROC_FILES.iter().filter(there) {
        plan.push(Action::CoverFile { target: proc.join(name).into(), onto: None }, origin);
    }
    for name in PROC_DIRECTORIES.iter().filter(there) {
        plan.push(Action::CoverDirectory { target: proc.join(name).into(), onto: None }, origin);
    }
}
