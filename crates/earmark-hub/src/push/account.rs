use earmark_error::Context as _;
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Subject};
use crate::http::client::off_runtime;
use crate::hub::Hub;
use crate::push::call::ApiCall;

/// The user of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The user's name.
    pub name: String,
    /// What the token permits, such as `write`, if the Hub says so.
    pub role: Option<String>,
}

#[derive(Deserialize)]
struct WhoAmI {
    name: String,
    auth: Option<Auth>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Auth {
    access_token: Option<AccessToken>,
}

#[derive(Deserialize)]
struct AccessToken {
    role: Option<String>,
}

impl Hub {
    /// Looks up the token's user.
    ///
    /// # Errors
    /// Offline, no token, one that is not valid, or no answer.
    pub fn whoami(&self) -> Result<Account, Error> {
        self.try_whoami().map_err(ErrorKind::for_upload).context(Subject::Account)
    }

    fn try_whoami(&self) -> Result<Account, ErrorKind> {
        let http = self.authenticated()?;
        let call = ApiCall::new(&self.endpoint, None, &["api", "whoami-v2"]);
        let answer: WhoAmI = off_runtime(|| http.send(&call, |url| http.redirecting.get(url)))?;
        let role = answer.auth.and_then(|auth| auth.access_token?.role);
        Ok(Account { name: http.one_line(&answer.name), role: role.map(|role| http.one_line(&role)) })
    }
}
