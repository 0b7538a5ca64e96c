//! Named groups of files: `"@fonts"` in a list of paths.
//!
//! Every member is optional: distributions differ. Links stay links, and what they lead to comes
//! along. Never in a group: shadow, gshadow, sudoers, private keys of the host, NetworkManager,
//! wpa_supplicant, cups, crypttab, fstab, krb5.keytab.

/// Names and members, in alphabetical order. Members may be globs.
pub const GROUPS: [(&str, &[&str]); 9] = [
    ("etc", &["@etc-minimal", "@settings", "@toolkit", "@fonts", "@tls", "@resolver"]),
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
            "$XDG_CONFIG_HOME/git/attributes",
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
    // Settings of shells, libraries and interpreters.
    (
        "settings",
        &[
            "/etc/ImageMagick-[67]",
            "/etc/bash.bashrc",
            "/etc/debian_version",
            "/etc/groff",
            "/etc/inputrc",
            "/etc/java-*",
            "/etc/locale.alias",
            "/etc/locale.conf",
            "/etc/magic",
            "/etc/magic.mime",
            "/etc/mailcap",
            "/etc/manpath.config",
            "/etc/mime.types",
            "/etc/papersize",
            "/etc/perl",
            "/etc/profile",
            "/etc/python3*",
            "/etc/terminfo",
            "/etc/timezone",
            "/etc/vim",
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
    // What compilers and interpreters in the home directory are made of, and the sources that
    // they fetched; not where they keep passwords (~/.cargo/credentials.toml, ~/.m2/settings.xml,
    // ~/.npmrc, ~/.gradle).
    (
        "toolchains",
        &[
            "$HOME/.cargo/bin",
            "$HOME/.cargo/config.toml",
            "$HOME/.cargo/env",
            "$HOME/.cargo/git",
            "$HOME/.cargo/registry",
            "$HOME/.ghcup",
            "$HOME/.local/share/fnm",
            "$HOME/.local/share/uv/python",
            "$HOME/.m2/repository",
            "$HOME/.nvm",
            "$HOME/.opam",
            "$HOME/.pyenv",
            "$HOME/.rustup",
            "$HOME/.sdkman/candidates",
            "$HOME/.volta/bin",
            "$HOME/.volta/tools",
            "$HOME/go/pkg/mod",
            "/opt/rust",
            "/usr/local/cargo",
            "/usr/local/rustup",
        ],
    ),
    // Settings of toolkits and of what draws for them.
    (
        "toolkit",
        &["/etc/dconf", "/etc/drirc", "/etc/glvnd", "/etc/gtk-[234].0", "/etc/vulkan", "/etc/xdg"],
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
