//! Who may ask.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use subtle::ConstantTimeEq as _;

/// Who may ask.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Access {
    /// Everybody who reaches the address.
    #[default]
    Open,
    /// Whoever sends `Authorization: Bearer TOKEN`.
    Token(String),
    /// Whoever sends this name and password, which a browser asks for.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
}

/// Without the secrets, so that no log can hold them.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Open => "Open",
            Access::Token(_) => "Token",
            Access::Password { .. } => "Password",
        })
    }
}

impl Access {
    /// Whether a request with this `Authorization` may pass. The time it takes does not depend on where a wrong one differs.
    pub(crate) fn allows(&self, header: Option<&str>) -> bool {
        let (scheme, given) = header.and_then(|header| header.split_once(' ')).unwrap_or_default();
        match self {
            Access::Open => true,
            Access::Token(token) => {
                scheme.eq_ignore_ascii_case("bearer")
                    && bool::from(given.trim().as_bytes().ct_eq(token.as_bytes()))
            }
            Access::Password { user, password } => {
                let expected = format!("{user}:{password}");
                let given = BASE64_STANDARD.decode(given.trim()).unwrap_or_default();
                scheme.eq_ignore_ascii_case("basic") && bool::from(given.ct_eq(expected.as_bytes()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_token_or_password_passes() {
        let token = Access::Token("s3cret".to_owned());
        assert!(token.allows(Some("Bearer s3cret")) && token.allows(Some("bearer s3cret")));
        for wrong in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer s3cre"),
            Some("Bearer s3crets"),
            Some("Basic s3cret"),
        ] {
            assert!(!token.allows(wrong), "{wrong:?}");
        }
        let password = Access::Password { user: "me".to_owned(), password: "a:b".to_owned() };
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        assert!(password.allows(Some(&basic("me:a:b"))));
        for wrong in ["me:a", "you:a:b", "me", ""] {
            assert!(!password.allows(Some(&basic(wrong))), "{wrong}");
        }
        assert!(Access::Open.allows(None));
        assert_eq!(format!("{token:?} {password:?}"), "Token Password");
    }
}
