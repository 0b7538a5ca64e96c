//! Profiles that are part of sbx itself.

/// Names and texts of the built-in profiles.
pub const BUILTIN: [(&str, &str); 5] = [
    ("base", include_str!("../../profiles/base.toml")),
    ("browser", include_str!("../../profiles/browser.toml")),
    ("build", include_str!("../../profiles/build.toml")),
    ("cli", include_str!("../../profiles/cli.toml")),
    ("gui-app", include_str!("../../profiles/gui-app.toml")),
];
