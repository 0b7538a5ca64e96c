//! `sbx doctor`: what works on this machine.

use std::fmt::Write as _;

use super::args::DoctorArgs;
use super::print;
use crate::exec::FAILED;
use crate::host::{self, State};

pub(super) fn doctor(args: &DoctorArgs) -> anyhow::Result<u8> {
    let checks = host::checks();
    let is_well = checks.iter().all(|check| check.state != State::Missing);
    if args.json {
        print(&(serde_json::to_string_pretty(&checks)? + "\n"))?;
    } else {
        let mut out = String::new();
        for check in &checks {
            let state = match check.state {
                State::Works => "works",
                State::Partly => "partly",
                State::Missing => "missing",
            };
            let found = if check.found.is_empty() { "" } else { ": " };
            let _written = writeln!(out, "{state:<8} {}{found}{}", check.name, check.found);
            if let Some(remedy) = &check.remedy {
                let _written = writeln!(out, "{:<8} remedy: {remedy}", "");
            }
        }
        print(&out)?;
    }
    Ok(if is_well { 0 } else { FAILED })
}
