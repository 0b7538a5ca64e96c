//! Named groups of files: `"@fonts"` in a list of paths.
//!
//! Every member is optional: distributions differ. Links stay links, and what they lead to comes
//! along. Never in a group: shadow, gshadow, sudoers, private keys of the host, NetworkManager,
//! wpa_supplicant, cups, crypttab, fstab, krb5.keytab.

/// Names and members, in alphabetical order.
pub const GROUPS: [(&str, &[&str]); 7] = [
    (
        "etc",
        &[
            "@etc-minimal",
            "@fonts",
            "@tls",
            "@resolver",
            "/etc/bash.bashrc",
            "/etc/ImageMagick-6",
            "/etc/ImageMagick-7",
            "/etc/dconf",
            "/etc/debian_version",
            "/etc/gtk-2.0",
            "/etc/gtk-3.0",
            "/etc/gtk-4.0",
            "/etc/inputrc",
            "/etc/magic",
            "/etc/mailcap",
            "/etc/mime.types",
            "/etc/papersize",
            "/etc/perl",
            "/etc/profile",
            "/etc/terminfo",
            "/etc/xdg",
        ],
    ),
    (
        "etc-minimal",
        &[
            "/etc/alternatives",
            "/etc/ld.so.cache",
            "/etc/ld.so.conf",
            "/etc/ld.so.conf.d",
            "/etc/localtime",
            "/etc/nsswitch.conf",
            "/etc/os-release",
        ],
    ),
    (
        "fonts",
        &["/etc/fonts", "/usr/share/fonts", "/usr/local/share/fonts", "/var/cache/fontconfig"],
    ),
    (
        "git",
        &[
            "/etc/gitconfig",
            "$HOME/.gitconfig",
            "$XDG_CONFIG_HOME/git/config",
            "$XDG_CONFIG_HOME/git/ignore",
        ],
    ),
    (
        "resolver",
        &[
            "/etc/gai.conf",
            "/etc/host.conf",
            "/etc/hosts",
            "/etc/protocols",
            "/etc/resolv.conf",
            "/etc/services",
        ],
    ),
    (
        "tls",
        &[
            "/etc/ca-certificates",
            "/etc/ca-certificates.conf",
            "/etc/crypto-policies",
            "/etc/pki/ca-trust",
            "/etc/pki/tls/certs",
            "/etc/pki/tls/cert.pem",
            "/etc/pki/tls/openssl.cnf",
            "/etc/ssl/cert.pem",
            "/etc/ssl/certs",
            "/etc/ssl/openssl.cnf",
            "/usr/local/share/ca-certificates",
        ],
    ),
    (
        "toolchains",
        &[
            "$HOME/.cargo/bin",
            "$HOME/.cargo/registry",
            "$HOME/.cargo/git",
            "$HOME/.cargo/config.toml",
            "$HOME/.cargo/env",
            "$HOME/.rustup",
            "$HOME/.nvm",
            "$HOME/.pyenv",
            "$HOME/go/pkg/mod",
            "/opt/rust",
            "/usr/local/cargo",
            "/usr/local/rustup",
        ],
    ),
];

/// Returns the members of a group, those of groups inside it included.
pub fn members(name: &str) -> Option<Vec<&'static str>> {
    let (_, direct) = GROUPS.iter().find(|(known, _)| *known == name)?;
    let mut all = Vec::new();
    for member in *direct {
        match member.strip_prefix('@') {
            Some(inner) => all.extend(members(inner)?),
            None => all.push(*member),
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_inside_groups_exist_and_secrets_are_in_none() {
        for (name, _) in GROUPS {
            let all = members(name).expect("every group that is named exists");
            assert!(!all.is_empty());
            for secret in ["shadow", "sudoers", "private", "ssh_host", "fstab", "keytab", ".ssh"] {
                assert!(all.iter().all(|path| !path.contains(secret)), "{name}: {secret}");
            }
        }
    }
}
