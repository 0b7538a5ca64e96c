//! `[seccomp]`: which system calls the command may make.

use std::rc::Rc;

use crate::diag::{Code, Diagnostic, Origin, Sink, nearest};
use crate::facts::Facts;
use crate::feature::namespaces;
use crate::filter::{
    self, Arch, ArgTest, AssembleError, Case, Compare, FilterRules, Foreign, NestedUsers, Set,
    Verdict, Width, groups, table,
};
use crate::plan::{Action, Builder};
use crate::schema::{Leaf, Reader, Section, Value, choice_leaf, section, toml_string};
use crate::value::{List, Slot, Sourced};

choice_leaf!(Set, "\"default\", \"strict\" or \"none\"",
    ["default" => Default, "strict" => Strict, "none" => None], reserved ["desktop"]);
choice_leaf!(Foreign, "\"kill\", \"refuse\" or \"allow\"",
    ["kill" => Kill, "refuse" => Refuse, "allow" => Allow], reserved []);

/// A test of one argument: `"1 == 0x5412"`, `"0 & 0xff == 2"`, `"2:32 < 16"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    text: String,
    test: ArgTest,
}

impl Condition {
    fn parse(text: &str) -> Option<ArgTest> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (first, compare) = match words.as_slice() {
            [first, "&", mask, "==", value] => {
                (*first, Compare::MaskedEq { mask: number(mask)?, value: number(value)? })
            }
            [first, operator, value] => {
                let value = number(value)?;
                let compare = match *operator {
                    "==" => Compare::Eq(value),
                    "!=" => Compare::Ne(value),
                    "<" => Compare::Lt(value),
                    "<=" => Compare::Le(value),
                    ">" => Compare::Gt(value),
                    ">=" => Compare::Ge(value),
                    _ => return None,
                };
                (*first, compare)
            }
            _ => return None,
        };
        let (index, width) = match first.split_once(':') {
            Some((index, "32")) => (index, Width::Dword),
            Some((index, "64")) => (index, Width::Qword),
            Some(_) => return None,
            None => (first, Width::Qword),
        };
        let index = index.parse().ok().filter(|index| *index <= 5)?;
        Some(ArgTest { index, width, compare })
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

impl Leaf for Condition {
    const EXPECTS: &'static str = "a test such as \"1 == 0x5412\" or \"0 & 0xff == 2\"";
    const EXPECTS_LIST: &'static str = "a list of tests such as \"1 == 0x5412\"";

    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let text = String::read(value, reader)?;
        let Some(test) = Self::parse(&text) else {
            reader.bad_value(value, format!("`{text}` is no test of an argument"), Self::EXPECTS);
            return None;
        };
        if test.has_lost_bits() {
            let why = format!("`{text}` compares bits that are not looked at");
            reader.bad_value(value, why, "a value within the mask, of 32 bits after `:32`");
            return None;
        }
        Some(Self { text, test })
    }

    fn text(&self) -> String {
        toml_string(&self.text)
    }
}

section! {
    /// One `[[seccomp.rule]]` as it was written.
    pub struct RuleSpec = "seccomp.rule", reserved [] {
        /// System calls, or groups of them as "@name".
        calls: List<String> = "calls",
        /// Tests of arguments that must all hold; without them the rule holds for every call. An argument is its index, with `:32` to compare its low 32 bits; commands of ioctl always are.
        args: List<Condition> = "args",
        /// What happens: "allow", "kill", "trap", "log", or an errno such as "EPERM".
        action: Slot<String> = "action",
    }
}

const NEEDS_CALLS: &str = "add `calls = [\"NAME\"]` with the system calls that it is about";
const NEEDS_ACTION: &str =
    "write \"allow\", \"kill\", \"trap\", \"log\", or an errno such as \"EPERM\"";

impl Leaf for RuleSpec {
    const EXPECTS: &'static str = "a table";
    const EXPECTS_LIST: &'static str = "an array of tables";

    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let mut spec = Self::default();
        let origin = reader.origin(value);
        reader.table(value, |reader| {
            Section::read(&mut spec, reader);
            for (key, help) in [("calls", NEEDS_CALLS), ("action", NEEDS_ACTION)] {
                if !reader.has(key) {
                    let text = format!("a rule needs `{key}`");
                    reader.sink.push(Diagnostic::error(Code::BadValue, text).at(origin).help(help));
                }
            }
        });
        Some(spec)
    }

    fn text(&self) -> String {
        let keys = self.show().into_iter().map(|(key, shown)| format!("{key} = {}", shown.text()));
        format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
    }
}

section! {
    /// The section as it was written.
    pub struct Spec = "seccomp", reserved [] {
        /// What the filter starts from. Default: "default".
        set: Slot<Set> = "set",
        /// System calls, or groups of them as "@name", that are allowed.
        allow: List<String> = "allow",
        /// System calls, or groups of them as "@name", that are refused with EPERM.
        deny: List<String> = "deny",
        /// System calls, or groups of them as "@name", that are allowed and logged by the kernel.
        log: List<String> = "log",
        /// Calls by the numbers of another architecture: end the program, answer ENOSYS, or map i386 calls to the same rules. Default: "kill".
        foreign: Slot<Foreign> = "foreign",
        /// Rules by argument; the first that holds decides.
        rule: List<RuleSpec> = "rule",
    }
}

/// The filter in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    rules: Rc<FilterRules>,
    arch: Arch,
    program: Rc<filter::Program>,
    origin: Origin,
}

/// Returns the system calls that a name or a group stands for; tells names that are none, and names
/// that this architecture lacks.
fn calls(name: &Sourced<&String>, arch: Arch, sink: &mut Sink) -> Vec<&'static str> {
    let text = name.value.as_str();
    if text.starts_with('@') {
        if let Some(members) = groups::expand(text) {
            return members;
        }
        let near = nearest(text.trim_start_matches('@'), groups::names());
        let refusal = Diagnostic::error(
            Code::UnknownSystemCall,
            format!("unknown group of system calls `{text}`"),
        )
        .at(name.origin);
        sink.push(match near {
            Some(near) => refusal.help(format!("write `@{near}`")),
            None => refusal.help("write a group of \"SYSTEM CALLS\" in sbx-profile(5)"),
        });
        return Vec::new();
    }
    let Some(known) = table::intern(text) else {
        sink.push(
            Diagnostic::error(Code::UnknownSystemCall, format!("unknown system call `{text}`"))
                .at(name.origin)
                .suggest(
                    text,
                    table::every_name(),
                    "write a name of syscalls(2), each as an item of its own",
                ),
        );
        return Vec::new();
    };
    if table::number(arch, known).is_none() {
        sink.push(
            Diagnostic::warning(
                Code::NoEffect,
                format!("system call `{text}` does not exist on this architecture: nothing is decided for it"),
            )
            .at(name.origin),
        );
    }
    vec![known]
}

/// Decides the filter; nothing with `set = "none"` and no rule.
/// Where two lists name the same call the higher layer wins; inside one layer a name wins over a
/// group, and then the more restrictive list.
pub fn resolve(
    spec: &Spec,
    nested: &namespaces::Rule,
    rank: &dyn Fn(Origin) -> usize,
    facts: &dyn Facts,
    sink: &mut Sink,
) -> Option<Rule> {
    let machine = facts.kernel().machine.as_str();
    let set = spec.set.or(Set::Default);
    let arch = match machine {
        "x86_64" => Arch::X86_64,
        "aarch64" => Arch::Aarch64,
        _ => {
            sink.push(
                Diagnostic::error(
                    Code::NotEnforceable,
                    format!("no system-call filter for machine `{machine}`"),
                )
                .at(set.origin)
                .help("write `set = \"none\"` in [seccomp] to run without one"),
            );
            return None;
        }
    };
    let lists =
        [(&spec.allow, Verdict::Allow), (&spec.log, Verdict::Log), (&spec.deny, Verdict::EPERM)];
    let untouched =
        lists.iter().all(|(list, _)| list.given().is_none()) && spec.rule.given().is_none();
    if set.value == Set::None && untouched {
        return None;
    }
    if set.value == Set::Strict && nested.nested.value != NestedUsers::Deny {
        sink.push(
            Diagnostic::error(Code::Conflict, "the strict set forbids further user namespaces")
                .at(set.origin)
                .label(nested.nested.origin, "they are allowed here")
                .help("write `set = \"default\"`, or `nested-users = \"deny\"`"),
        );
        return None;
    }
    let mut rules = filter::sets::set(set.value, nested.nested.value);
    rules.foreign = spec.foreign.or(Foreign::Kill).value;
    let mut whys = Vec::new();
    let mut decisions = Vec::new();
    for (strength, (list, verdict)) in lists.into_iter().enumerate() {
        for name in list.items() {
            let is_single = !name.value.starts_with('@');
            for call in calls(&name, arch, sink) {
                decisions.push((
                    (rank(name.origin), is_single, strength),
                    call,
                    verdict,
                    name.origin,
                ));
            }
        }
    }
    decisions.sort_by_key(|(weight, ..)| *weight);
    for (_, call, verdict, origin) in decisions {
        whys.push((call, origin));
        put(rules.decide(call, verdict), origin, sink);
    }
    for rule in spec.rule.items() {
        one_rule(&rule, arch, &mut rules, &mut whys, sink);
    }
    assemble(rules, arch, &whys, set.origin, sink)
}

fn put(result: Result<(), filter::UnknownName>, origin: Origin, sink: &mut Sink) {
    if let Err(unknown) = result {
        let text = format!("unknown system call `{}`", unknown.0);
        let refusal = Diagnostic::error(Code::UnknownSystemCall, text).at(origin);
        sink.push(refusal.help("write a name of syscalls(2), each as an item of its own"));
    }
}

fn one_rule(
    rule: &Sourced<&RuleSpec>,
    arch: Arch,
    rules: &mut FilterRules,
    whys: &mut Vec<(&'static str, Origin)>,
    sink: &mut Sink,
) {
    let spec = rule.value;
    // Where there is none, that was told when it was read.
    let Some(action) = spec.action.get() else { return };
    let verdict = match Verdict::parse(&action.value) {
        Ok(verdict) => verdict,
        Err(why) => {
            let refusal = Diagnostic::error(Code::BadValue, why.to_string()).at(action.origin);
            sink.push(refusal.help(NEEDS_ACTION));
            return;
        }
    };
    for name in spec.calls.items() {
        for call in calls(&name, arch, sink) {
            whys.push((call, name.origin));
            let tests = spec.args.items().into_iter().map(|item| test_of(call, &item, sink));
            let Some(tests) = tests.collect::<Option<Vec<ArgTest>>>() else { return };
            let result = if tests.is_empty() {
                rules.decide(call, verdict)
            } else {
                rules.add_case(call, Case { tests, verdict })
            };
            put(result, name.origin, sink);
        }
    }
}

/// Returns a test as it is for a call.
fn test_of(call: &str, condition: &Sourced<&Condition>, sink: &mut Sink) -> Option<ArgTest> {
    let mut test = condition.value.test.clone();
    // The kernel looks at the low 32 bits of the command only (CVE-2019-10063).
    if call == "ioctl" && test.index == 1 {
        test.width = Width::Dword;
    }
    if test.has_lost_bits() {
        let text =
            format!("the command of ioctl has 32 bits, `{}` tests more", condition.value.text);
        let refusal = Diagnostic::error(Code::BadValue, text).at(condition.origin);
        sink.push(refusal.help("write a value of 32 bits"));
        return None;
    }
    Some(test)
}

/// Says whether some rule does not allow a call, whatever the arguments it asks for.
fn may_refuse(rules: &FilterRules, name: &str) -> bool {
    let Some(rule) = rules.rule(name) else { return !rules.unknown.is_allowing() };
    let cases = rule.cases.iter().map(|case| case.verdict);
    !cases.chain([rule.otherwise]).all(Verdict::is_allowing)
}

fn assemble(
    rules: FilterRules,
    arch: Arch,
    whys: &[(&'static str, Origin)],
    origin: Origin,
    sink: &mut Sink,
) -> Option<Rule> {
    match filter::assemble(&rules, arch) {
        Ok(program) => {
            let own = filter::NEEDED_AFTERWARDS.into_iter();
            for name in own.filter(|name| may_refuse(&rules, name)) {
                let why = whys.iter().rfind(|(call, _)| *call == name);
                let at = why.map_or(origin, |(_, origin)| *origin);
                sink.push(
                    Diagnostic::error(Code::BadFilter, format!("the filter would forbid `{name}`, which sbx itself needs to start the command"))
                        .at(at)
                        .help(format!("allow `{name}` always; name single system calls instead of a group that has it")),
                );
            }
            Some(Rule { rules: Rc::new(rules), arch, program: Rc::new(program), origin })
        }
        Err(why) => {
            let help = match &why {
                AssembleError::TooLarge { .. } => "remove rules, or join rules on the same call",
                AssembleError::UnknownName(_) => "name a system call",
                AssembleError::NoSuchArgument { .. } => "write an index from 0 to 5",
            };
            let at = whys.first().map_or(origin, |(_, origin)| *origin);
            sink.push(Diagnostic::error(Code::BadFilter, why.to_string()).at(at).help(help));
            None
        }
    }
}

/// Contributes the step.
pub fn compile(rule: &Rule, plan: &mut Builder) {
    let Rule { rules, arch, program, origin } = rule.clone();
    plan.push(Action::Seccomp { rules, arch, program }, origin);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_arguments_are_read() {
        let test = Condition::parse("1 == 0x5412").expect("a test");
        assert_eq!(test, ArgTest { index: 1, width: Width::Qword, compare: Compare::Eq(0x5412) });
        let masked = Condition::parse("0:32 & 0xff == 2").expect("a test");
        assert_eq!(masked.compare, Compare::MaskedEq { mask: 0xff, value: 2 });
        assert_eq!(masked.width, Width::Dword);
        for wrong in ["6 == 1", "1 = 1", "1 == x", "", "1:16 == 1"] {
            assert!(Condition::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn bits_that_are_not_looked_at_are_noticed() {
        let is_lost = |text| Condition::parse(text).expect("a test").has_lost_bits();
        for lost in
            ["0 & 0 == 1", "0 & 0xf0 == 0x11", "0:32 < 0x100000000", "0:32 & 0x1ff000000 == 0"]
        {
            assert!(is_lost(lost), "{lost}");
        }
        for fine in [
            "0 & 0 == 0",
            "0:32 == 0xffffffff",
            "0 == 0x100000000",
            "0 & 0x1ff000000 == 0x100000000",
        ] {
            assert!(!is_lost(fine), "{fine}");
        }
    }
}
